//! Texts for evaluation in bits per byte that no training of this project sees: manual pages that
//! six languages have in common, Python code, and tables of numbers.

use super::table::{Client, ModelFile, Package};

/// A manual page, kept as plain text.
macro_rules! page {
    ($slice:literal, $folder:literal, $page:literal, $section:literal, $bytes:literal, $sha:literal) => {
        ModelFile {
            path: concat!("texts/", $slice, "/", $page, ".", $section, ".txt"),
            inside: concat!($folder, "/man", $section, "/", $page, ".", $section, ".gz"),
            bytes: $bytes,
            sha256: $sha,
        }
    };
}

macro_rules! text {
    ($path:literal, $inside:literal, $bytes:literal, $sha:literal) => {
        ModelFile {
            path: concat!("texts/", $path),
            inside: $inside,
            bytes: $bytes,
            sha256: $sha,
        }
    };
}

pub const TEXTS: &[Package] = &[
    Package {
        name: "text-english",
        client: Client::Apt,
        spec: "manpages=6.03-2",
        download_bytes: 1_331_652,
        files: &[
            page!(
                "english",
                "usr/share/man",
                "charsets",
                "7",
                12_474,
                "534e20a77dd5658584df2291327fdab9f28ae7c3f39cc188125b31d6245c9a96"
            ),
            page!(
                "english",
                "usr/share/man",
                "fifo",
                "7",
                1_814,
                "7fb6c5a660647e3d83f923524a7eec18972ffa7bfab85116a78e46d3b0151ff6"
            ),
            page!(
                "english",
                "usr/share/man",
                "hier",
                "7",
                14_418,
                "b81aa0390a7b1b5dfcc572c5d2f587032313478858f216908622d9e8d107ffba"
            ),
            page!(
                "english",
                "usr/share/man",
                "intro",
                "1",
                6_877,
                "5c598488c9b040236299dd0922c43a833aee9d5b021cc1c48eb56facc38fc55c"
            ),
            page!(
                "english",
                "usr/share/man",
                "locale",
                "7",
                10_837,
                "3aac32ab19f04445dab562ff8c0253047b7bd26c25b504c863791cfc8ee6459b"
            ),
            page!(
                "english",
                "usr/share/man",
                "services",
                "5",
                3_752,
                "626e663e9ece834a5df714ecc7c9a4a8ef3f4ca257e2039282856d990a57844e"
            ),
            page!(
                "english",
                "usr/share/man",
                "unicode",
                "7",
                8_068,
                "cc4d58f0a1f1e9e5b9974e3123d33cf7acb0e1c1fb707e48239dd5a0f78658c9"
            ),
            page!(
                "english",
                "usr/share/man",
                "utf-8",
                "7",
                5_861,
                "c22e9c55ad3c92d4b857a0fc8c6ef8964df473283f5cec79d295cb7881b2d26b"
            ),
            page!(
                "english",
                "usr/share/man",
                "utmp",
                "5",
                8_765,
                "d45470059dfd15a24f981d3cbb38b9b0b25dfb9f1d1acb73c715a3c74c645403"
            ),
        ],
    },
    Package {
        name: "text-german",
        client: Client::Apt,
        spec: "manpages-de=4.18.1-1",
        download_bytes: 3_615_560,
        files: &[
            page!(
                "german",
                "usr/share/man/de",
                "charsets",
                "7",
                14_521,
                "88fbf879dc6071aaa2842505b2ae2bc809d39f64bea6f58c9273bc1952c4b3b0"
            ),
            page!(
                "german",
                "usr/share/man/de",
                "fifo",
                "7",
                2_750,
                "287fc98a2892ad670c5b1b893662fa68139913cfde1c8eec650d31cab0f6dcba"
            ),
            page!(
                "german",
                "usr/share/man/de",
                "hier",
                "7",
                17_426,
                "73528bcd7dca32c07ddc33bc9b41652ec13362b4f989bbe763985918fc5da846"
            ),
            page!(
                "german",
                "usr/share/man/de",
                "intro",
                "1",
                8_235,
                "43b927dce85e53cf84c3d3d1fb8700de613d6f8e5c5bab031e8ca07e76c7d4ec"
            ),
            page!(
                "german",
                "usr/share/man/de",
                "locale",
                "7",
                12_710,
                "a7f1a4b5a687254375b92fb693e10494a6cc554d2c76a761b8a6271ebdef8ea3"
            ),
            page!(
                "german",
                "usr/share/man/de",
                "services",
                "5",
                4_789,
                "bed7eca1f47093c176a0698197e87fdae42214e256349338d5a75ac7d1001b26"
            ),
            page!(
                "german",
                "usr/share/man/de",
                "unicode",
                "7",
                9_505,
                "7dc680aa980db384ce95bf92af03fa938a68d99a5fce8aab29e184a7b7e7e8a8"
            ),
            page!(
                "german",
                "usr/share/man/de",
                "utf-8",
                "7",
                6_853,
                "4cc15155f82c744f4401920595ffba3c279bfa679da2467b6eac98557ca5bfb8"
            ),
            page!(
                "german",
                "usr/share/man/de",
                "utmp",
                "5",
                10_641,
                "75d4ab020f6e49599c443af497ee49a55397e7f8ba212bdf9bbe4f2f1486c20f"
            ),
        ],
    },
    Package {
        name: "text-french",
        client: Client::Apt,
        spec: "manpages-fr=4.18.1-1",
        download_bytes: 1_899_104,
        files: &[
            page!(
                "french",
                "usr/share/man/fr",
                "charsets",
                "7",
                14_925,
                "5f8e92e74f0dccbc3bb0c0211987d3dfacfe27de7fd27bb2fbd830c5154aeaf7"
            ),
            page!(
                "french",
                "usr/share/man/fr",
                "fifo",
                "7",
                3_329,
                "6c10ac06d2cbe08f3b412a98582e502b2e8833f47281b0839316a6396fe060e6"
            ),
            page!(
                "french",
                "usr/share/man/fr",
                "hier",
                "7",
                18_520,
                "bc69f969ecc2505d49618181b4f96ed3834b4e12e84e9faf073576f845907348"
            ),
            page!(
                "french",
                "usr/share/man/fr",
                "intro",
                "1",
                9_288,
                "fd7ab33c93abfb115e509ef13c49c8f8ddf7435494e4f2c7a7a9ac4078e92b1b"
            ),
            page!(
                "french",
                "usr/share/man/fr",
                "locale",
                "7",
                13_702,
                "2ce65f7f3728c4789f586a9bf4e53f7a40b20d7155b8f057ad23743692bbed6a"
            ),
            page!(
                "french",
                "usr/share/man/fr",
                "services",
                "5",
                5_577,
                "7b53b8df018c1182aff04615a0acb0349eeb2e07adf0c158b6657f66b84c2455"
            ),
            page!(
                "french",
                "usr/share/man/fr",
                "unicode",
                "7",
                10_205,
                "fa3cdea4adb3a877162312a9d3321a6c8fd85c0487719c263ea0888c6fd9433f"
            ),
            page!(
                "french",
                "usr/share/man/fr",
                "utf-8",
                "7",
                7_412,
                "36b88c76980ef17982f91357440eceecf9b5ecfbf3c5ffb7b364c9e73ca68e2e"
            ),
            page!(
                "french",
                "usr/share/man/fr",
                "utmp",
                "5",
                10_788,
                "8b6c5defeb492c919c4af0c2a9607a8e42705b194d18ded641b34fc9708ba392"
            ),
        ],
    },
    Package {
        name: "text-russian",
        client: Client::Apt,
        spec: "manpages-ru=4.18.1-1",
        download_bytes: 1_154_124,
        files: &[
            page!(
                "russian",
                "usr/share/man/ru",
                "charsets",
                "7",
                20_131,
                "03f8628ad95893b5a1d97f62328070a2ac52581e8bc1ee7672c94d2ce596c53e"
            ),
            page!(
                "russian",
                "usr/share/man/ru",
                "fifo",
                "7",
                4_263,
                "faee3f8ea48ec72e0e6a85246be3acab6fd4230dee1b800bbef8179bbb83127b"
            ),
            page!(
                "russian",
                "usr/share/man/ru",
                "hier",
                "7",
                26_030,
                "25327c1d4bb6805373f7edf40adf72e6e58271d755f21d75ab23e0b32523173d"
            ),
            page!(
                "russian",
                "usr/share/man/ru",
                "intro",
                "1",
                13_780,
                "7e62293c3dcc96cb8743a516d02bbee67c4f4d6159309a559c42a714b53d28f6"
            ),
            page!(
                "russian",
                "usr/share/man/ru",
                "locale",
                "7",
                17_416,
                "bb8cbe7731e61d3482f096412734afd89f5285b64d8049b3ab459714ca921c74"
            ),
            page!(
                "russian",
                "usr/share/man/ru",
                "services",
                "5",
                7_428,
                "abeee284e29a0bfb12122d670017547c897055c5b71e5be4c6a784081840716d"
            ),
            page!(
                "russian",
                "usr/share/man/ru",
                "unicode",
                "7",
                15_088,
                "87fd1ca013550bdf9fa6eb64ef3bb36b05928d2a28f0e4035e1fce2c34b27c5f"
            ),
            page!(
                "russian",
                "usr/share/man/ru",
                "utf-8",
                "7",
                10_177,
                "c0ed9e09f3c7ee0bf0386e68307fe3f7d10b9eb58568ea9f08eb1d5675719b7c"
            ),
            page!(
                "russian",
                "usr/share/man/ru",
                "utmp",
                "5",
                14_351,
                "74000f96458828de8b41be9ad491d53684f7e2926fc96cfc60c263803cd8b115"
            ),
        ],
    },
    Package {
        name: "text-japanese",
        client: Client::Apt,
        spec: "manpages-ja=0.5.0.0.20221215+dfsg-1",
        download_bytes: 3_826_632,
        files: &[
            page!(
                "japanese",
                "usr/share/man/ja",
                "charsets",
                "7",
                18_499,
                "2e7ac330771690186402bd373b316cf91e650964e1729cbf91ddb6615d8c0bf7"
            ),
            page!(
                "japanese",
                "usr/share/man/ja",
                "fifo",
                "7",
                3_108,
                "d955544df3ad578bdd8d54108657f0339602d4c9a7704e248a6d0988aff31bc1"
            ),
            page!(
                "japanese",
                "usr/share/man/ja",
                "hier",
                "7",
                16_414,
                "30f6fb96262ce681b03df66719c493a69bc808eb5a28109b8c54d94a4800d642"
            ),
            page!(
                "japanese",
                "usr/share/man/ja",
                "intro",
                "1",
                10_627,
                "c3c43b7b41322dd5c8c0c75c24efdb2c3e7163fa08666f2d8e2c6a854824e80d"
            ),
            page!(
                "japanese",
                "usr/share/man/ja",
                "locale",
                "7",
                13_097,
                "541eb8cf38087447b9ba014556768120031d782098c28905a9049e792e39dc04"
            ),
            page!(
                "japanese",
                "usr/share/man/ja",
                "services",
                "5",
                5_607,
                "d3d2cc07280cdc415cad6d19e553d113ee99bb40476a24496038ed1a2c4c1e07"
            ),
            page!(
                "japanese",
                "usr/share/man/ja",
                "unicode",
                "7",
                10_567,
                "19a968fd5e3cf50f20c935d5d740618211551d699ca767affb564f1fcd30899a"
            ),
            page!(
                "japanese",
                "usr/share/man/ja",
                "utf-8",
                "7",
                7_896,
                "0ec319fb463bbea8274b7b5d156a1cc41a6dc150a25e0ba2dff06b962075bf04"
            ),
            page!(
                "japanese",
                "usr/share/man/ja",
                "utmp",
                "5",
                12_010,
                "c908f28d575f9ce8f9944049f923e33cca308f8725ef7aeeeb3d9524ca32854c"
            ),
        ],
    },
    Package {
        name: "text-chinese",
        client: Client::Apt,
        spec: "manpages-zh=1.6.4.0-1",
        download_bytes: 4_937_812,
        files: &[
            page!(
                "chinese",
                "usr/share/man/zh_CN",
                "charsets",
                "7",
                9_690,
                "4be062b4c8d86d3fc4e9ac76855acc4cd5387d6d8d74fbcd0d6dcfa101509eff"
            ),
            page!(
                "chinese",
                "usr/share/man/zh_CN",
                "fifo",
                "7",
                2_203,
                "43953426f7c87392f50d59352aa2f30671639398637fa6cfd3bc0b74cb46636a"
            ),
            page!(
                "chinese",
                "usr/share/man/zh_CN",
                "hier",
                "7",
                8_301,
                "8bc6a7026ed517f70c790c237273f8a78462c4eafd663a48b965b74e217d689d"
            ),
            page!(
                "chinese",
                "usr/share/man/zh_CN",
                "intro",
                "1",
                7_457,
                "519469ba735ac8ab9847afbedffe41edcff5a2ff63598038fdeda43a3ab19644"
            ),
            page!(
                "chinese",
                "usr/share/man/zh_CN",
                "locale",
                "7",
                4_347,
                "b1f1f4a2615bdd4712314ae40e0e7e9944523374d6804e2fc4e47ed725f2bb3e"
            ),
            page!(
                "chinese",
                "usr/share/man/zh_CN",
                "services",
                "5",
                4_174,
                "acedf84fb3a7cb43902fa35e62d8788381da2892ec1dcf8803bf6667085ad883"
            ),
            page!(
                "chinese",
                "usr/share/man/zh_CN",
                "unicode",
                "7",
                6_079,
                "f747362236d776dda6f6f3c7b5ae8e934af5e60c601fad950fb2f84b21837d0a"
            ),
            page!(
                "chinese",
                "usr/share/man/zh_CN",
                "utf-8",
                "7",
                3_503,
                "3e968fc22ae4eeb4ec613159fdb740bb8eb9ba09d90d4aa2d492f5585164772e"
            ),
            page!(
                "chinese",
                "usr/share/man/zh_CN",
                "utmp",
                "5",
                6_624,
                "55f9353c6d554e9caa5b68ba2dd9f7eb4006f0c68d295d5101a0d86285498270"
            ),
        ],
    },
    Package {
        name: "text-code-and-digits",
        client: Client::Pip,
        spec: "scikit-learn==1.7.2",
        download_bytes: 9_715_424,
        files: &[
            text!(
                "code/1-pprint.py",
                "sklearn/utils/_pprint.py",
                18_520,
                "42d01cfab3e8728ef13ae932e912e631a7e9ccf2acc6e77d2c4802180121f608"
            ),
            text!(
                "code/2-optimize.py",
                "sklearn/utils/optimize.py",
                12_298,
                "197dc7e1bcc254167516fe9e51c82f53677bcf1fb105c94d31114272a2ee5a7f"
            ),
            text!(
                "digits/1-wine.csv",
                "sklearn/datasets/data/wine_data.csv",
                11_157,
                "10e8a802908b34f86e5da8ce962f3c806694bc98450a18f61851af59f324bede"
            ),
            text!(
                "digits/2-iris.csv",
                "sklearn/datasets/data/iris.csv",
                2_734,
                "f13ffa8fdd56fd8e6c8d16d4081a3fbd3114bcd0aae4256c43205169cd9d1449"
            ),
            text!(
                "digits/3-breast-cancer.csv",
                "sklearn/datasets/data/breast_cancer.csv",
                119_913,
                "fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed"
            ),
        ],
    },
];
