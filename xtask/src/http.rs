//! A small file server for the demo: ranges, the right types, nothing outside its folders.

mod file;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use tiny_http::{Header, Method, Request, Response, Server};

use file::{Answer, Asked};

/// Enough for a page's parallel requests beside a long download.
const THREADS: usize = 8;

/// The folders to serve, each under a path that begins and ends with a slash.
pub struct Site {
    pub mounts: Vec<(&'static str, PathBuf)>,
    /// Send the headers that make the page cross-origin isolated.
    pub isolated: bool,
}

/// Listens on the loopback address at `port`, or at one of the next nine when it is taken.
pub fn listen(port: u16) -> Result<(Server, u16)> {
    let mut why = String::new();
    for port in port..=port.saturating_add(9) {
        match Server::http(("127.0.0.1", port)) {
            Ok(server) => {
                let port = server
                    .server_addr()
                    .to_ip()
                    .map_or(port, |address| address.port());
                return Ok((server, port));
            }
            Err(error) => why = error.to_string(),
        }
    }
    bail!("cannot listen on port {port} or the nine after it ({why}); choose another with --port")
}

/// Serves until the program ends.
pub fn serve(server: Server, site: Site) {
    let (server, site) = (Arc::new(server), Arc::new(site));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (server, site) = (Arc::clone(&server), Arc::clone(&site));
            std::thread::spawn(move || {
                for request in server.incoming_requests() {
                    // A browser that goes away in the middle is no error of the server.
                    let _ = site.answer(request);
                }
            })
        })
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
}

impl Site {
    fn answer(&self, request: Request) -> std::io::Result<()> {
        if !matches!(request.method(), Method::Get | Method::Head) {
            return request.respond(plain(405, "only GET and HEAD are answered here"));
        }
        let Some(path) = self.locate(request.url()) else {
            return request.respond(plain(404, "there is no such file"));
        };
        let field = |name: &'static str| {
            request
                .headers()
                .iter()
                .find(|header| header.field.equiv(name))
                .map(|header| header.value.as_str().to_owned())
        };
        let asked = Asked {
            range: field("Range"),
            if_none_match: field("If-None-Match"),
        };
        match file::answer(&path, &asked) {
            Ok(answer) => request.respond(self.response(answer)),
            Err(_) => request.respond(plain(404, "there is no such file")),
        }
    }

    fn response(&self, answer: Answer) -> Response<Box<dyn std::io::Read + Send>> {
        let mut headers: Vec<(&str, &str)> = answer
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        if self.isolated {
            headers.push(("Cross-Origin-Opener-Policy", "same-origin"));
            headers.push(("Cross-Origin-Embedder-Policy", "require-corp"));
        }
        let headers = headers
            .iter()
            .filter_map(|(name, value)| Header::from_bytes(*name, *value).ok())
            .collect();
        Response::new(
            answer.status.into(),
            headers,
            answer.body,
            Some(answer.length),
            None,
        )
        // A progress bar needs the length, and a chunked answer has none.
        .with_chunked_threshold(usize::MAX)
    }

    /// The file for a request's path. A segment that could lead out of the folder finds nothing.
    fn locate(&self, url: &str) -> Option<PathBuf> {
        let path = url.split(['?', '#']).next()?;
        let (prefix, folder) = self
            .mounts
            .iter()
            .find(|(prefix, _)| path.starts_with(prefix))?;
        let rest = percent_decode(path.strip_prefix(prefix)?)?;
        let mut file = folder.clone();
        for segment in rest.split('/').filter(|segment| !segment.is_empty()) {
            if segment.starts_with('.') || segment.contains(['\\', ':', '\0']) {
                return None;
            }
            file.push(segment);
        }
        if file.is_dir() {
            file.push("index.html");
        }
        file.is_file().then_some(file)
    }
}

fn plain(status: u16, text: &str) -> Response<std::io::Cursor<Vec<u8>>> {
    Response::from_string(format!("{text}\n")).with_status_code(status)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn site() -> (tempfile::TempDir, Site) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("dist/a b")).unwrap();
        fs::create_dir_all(folder.path().join("models")).unwrap();
        fs::write(folder.path().join("dist/index.html"), "page").unwrap();
        fs::write(folder.path().join("dist/a b/c.js"), "1").unwrap();
        fs::write(folder.path().join("models/m.gguf"), "GGUF").unwrap();
        fs::write(folder.path().join("secret"), "s").unwrap();
        let mounts = vec![
            ("/models/", folder.path().join("models")),
            ("/", folder.path().join("dist")),
        ];
        (
            folder,
            Site {
                mounts,
                isolated: false,
            },
        )
    }

    #[test]
    fn finds_files_under_their_mount() {
        let (folder, site) = site();
        assert_eq!(
            site.locate("/"),
            Some(folder.path().join("dist/index.html"))
        );
        assert_eq!(
            site.locate("/a%20b/c.js?x#y"),
            Some(folder.path().join("dist/a b/c.js"))
        );
        assert_eq!(
            site.locate("/models/m.gguf"),
            Some(folder.path().join("models/m.gguf"))
        );
        assert_eq!(site.locate("/models/none"), None);
    }

    #[test]
    fn nothing_leads_out_of_a_folder() {
        let (_folder, site) = site();
        for url in [
            "/../secret",
            "/%2e%2e/secret",
            "/a b/..%2f..%2fsecret",
            "/..\\secret",
            "/%zz",
            "/%",
        ] {
            assert_eq!(site.locate(url), None, "{url}");
        }
    }

    #[test]
    fn answers_over_a_socket() {
        use std::io::{Read, Write};
        let (_folder, mut site) = site();
        site.isolated = true;
        let (server, port) = listen(18_431).unwrap();
        std::thread::spawn(move || serve(server, site));
        let ask = |text: &str| {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let all = ask("GET /models/m.gguf HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(
            all.starts_with("HTTP/1.1 200")
                && all.contains("Content-Length: 4")
                && all.ends_with("GGUF"),
            "{all}"
        );
        assert!(
            all.contains("Cross-Origin-Opener-Policy: same-origin"),
            "{all}"
        );
        let part = ask(
            "GET /models/m.gguf HTTP/1.1\r\nHost: x\r\nRange: bytes=1-2\r\nConnection: close\r\n\r\n",
        );
        assert!(
            part.starts_with("HTTP/1.1 206")
                && part.contains("bytes 1-2/4")
                && part.ends_with("GU"),
            "{part}"
        );
        let head = ask("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(
            head.contains("text/html") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        let post =
            ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        assert!(post.starts_with("HTTP/1.1 405"), "{post}");
    }
}
