//! The live map and the table: web pages that are embedded in this program.
//!
//! Its files are those in `dashboard/dist`, which `npm run build` generates and the repository
//! includes.

use std::borrow::Cow;

use rust_embed::RustEmbed;

/// Every file of the page, by its path.
#[derive(RustEmbed)]
#[folder = "../../dashboard/dist"]
struct Page;

/// The content of one of the page's files. No path leads outside of them.
pub(crate) fn file(path: &str) -> Option<Cow<'static, [u8]>> {
    Page::get(path).map(|file| file.data)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::{StatusCode, header};
    use axum::response::Response;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    use windrow_local::Application as _;

    use super::*;

    const ENDPOINT: &str = "http://127.0.0.1:4566";

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dashboard/dist");

    /// The paths of all files in a folder.
    fn files(folder: &Path, prefix: &str) -> Vec<String> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                paths.extend(files(&entry.path(), &format!("{name}/")));
            } else {
                paths.push(name);
            }
        }
        paths
    }

    async fn get(path: &str) -> Response {
        let request = Request::builder().uri(path);
        let request = request.body(Body::empty()).unwrap();
        let router = crate::wild_rydes().page(ENDPOINT, "us-east-1", &crate::names().unwrap());
        router.oneshot(request).await.unwrap()
    }

    async fn body(response: Response) -> Vec<u8> {
        let body = response.into_body().collect().await.unwrap();
        body.to_bytes().to_vec()
    }

    #[tokio::test]
    async fn every_file_is_served_and_nothing_else() {
        let mut files = files(Path::new(PAGE), "");
        files.sort();
        let mut embedded: Vec<_> = Page::iter().map(Cow::into_owned).collect();
        embedded.sort();
        assert_eq!(embedded, files);
        for path in &files {
            let response = get(&format!("/{path}")).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
            assert_ne!(kind, "application/octet-stream", "{path}");
            let content = std::fs::read(Path::new(PAGE).join(path)).unwrap();
            assert_eq!(body(response).await, content, "{path}");
        }
        let index = body(get("/").await).await;
        assert_eq!(index, body(get("/index.html").await).await);
        assert!(index.starts_with(b"<!doctype html>"));
        for path in [
            "/nothing",
            "/assets",
            "/assets/",
            "/../../Cargo.toml",
            "/assets/../index.html",
            "/%2e%2e/Cargo.toml",
            "/index.html/",
            "/INDEX.HTML",
            "/basemap\\land.json",
        ] {
            let response = get(path).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn the_page_is_embedded_and_complete() {
        let embedded: Vec<String> = Page::iter().map(Cow::into_owned).collect();
        let assets = embedded.iter().filter(|path| path.starts_with("assets/"));
        let names: Vec<&str> = assets.filter_map(|path| path.rsplit('/').next()).collect();
        assert!(!names.is_empty());
        // A file that is read from disk at run time would be owned.
        let files = embedded.iter().map(|path| Page::get(path).unwrap().data);
        let texts: Vec<&[u8]> = files
            .map(|data| match data {
                Cow::Borrowed(content) => content,
                Cow::Owned(_) => panic!("a file is not embedded"),
            })
            .collect();
        // An asset that no file refers to is left over from another build.
        for name in names {
            let named = |text: &&[u8]| text.windows(name.len()).any(|part| part == name.as_bytes());
            assert!(texts.iter().any(named), "{name}");
        }
    }

    /// The directives of a policy, except the one with the endpoints, and without the values that a
    /// parameter of the template may add.
    fn directives(policy: &str) -> Vec<String> {
        let directives = policy.split(';').map(str::trim);
        let directives = directives.filter(|directive| !directive.starts_with("connect-src"));
        let words = |directive: &str| -> Vec<String> {
            let words = directive.split_whitespace().map(str::to_owned);
            words.filter(|word| !word.starts_with("${")).collect()
        };
        directives
            .map(|directive| words(directive).join(" "))
            .collect()
    }

    #[tokio::test]
    async fn security_headers_are_the_same_as_on_aws() {
        let response = get("/nothing").await;
        let headers = response.headers();
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let connections = format!("connect-src 'self' {ENDPOINT}; ");
        assert!(policy.contains(&connections), "{policy}");
        for closed in [
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(
                directives(policy).iter().any(|one| one == closed),
                "{policy}"
            );
        }

        let template = include_str!("../../../template.yaml");
        let (_, template) = template
            .split_once("ContentSecurityPolicy: !Sub >-\n")
            .unwrap();
        let (template, _) = template.split_once("ContentTypeOptions").unwrap();
        assert_eq!(directives(policy), directives(template));
    }
}
