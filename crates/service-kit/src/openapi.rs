//! The OpenAPI document, made of the routes and the types themselves, and a page made of the document.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use utoipa::openapi::{ObjectBuilder, OpenApi, RefOr, Schema, schema::Type};

use crate::problem::Kind;

/// What the documents are made of.
pub(crate) struct Source {
    pub(crate) whole: fn() -> OpenApi,
    /// One for each feature.
    pub(crate) parts: Vec<fn() -> OpenApi>,
    pub(crate) problems: Vec<Kind>,
    /// The path that comes first on the page.
    pub(crate) first: Option<&'static str>,
}

/// The document of all parts.
pub(crate) fn document(source: &Source) -> String {
    let mut whole = source.parts.iter().fold((source.whole)(), |whole, part| whole.merge_from(part()));
    let problem = whole.components.as_mut().and_then(|all| all.schemas.get_mut("ProblemBody"));
    if let Some(RefOr::T(Schema::Object(body))) = problem {
        // Its type knows that the code is a text, and the service knows which there are.
        let codes = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(source.problems.iter().map(|kind| kind.code)));
        body.properties.insert("code".into(), codes.into());
    }
    // Maps with string keys: JSON cannot fail.
    whole.to_pretty_json().unwrap_or_default()
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}\
h2{margin-top:2.5rem;border-top:1px solid #8886;padding-top:1.5rem;overflow-wrap:anywhere}\
code,pre{font:.9em ui-monospace,monospace}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8883}\
td p{margin:.2rem 0}\
tr:target{background:#fd06}";

/// What the page may load: nothing but its own style, whose hash this is.
pub(crate) const PAGE_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; \
    style-src 'sha256-QxSmV2QZOqWRYbkz/lidVNLaqca/spO0jXkyUIj3+BY='";

/// The OpenAPI document as a page for people.
pub(crate) fn page(source: &Source) -> String {
    let document: Value = serde_json::from_str(&document(source)).unwrap_or_default();
    let mut html = String::new();
    // Writing to a String cannot fail.
    write_page(&mut html, source, &document).unwrap_or_default();
    html
}

fn write_page(html: &mut String, source: &Source, document: &Value) -> std::fmt::Result {
    let info = &document["info"];
    let title = escaped(&info["title"]);
    write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\
         <h1>{title}</h1><p>{}</p><p>Version {}. The same for programs: <a href=\"/openapi.json\">OpenAPI</a>.</p>",
        escaped(&info["description"]),
        escaped(&info["version"])
    )?;
    let mut paths = entries(&document["paths"]);
    // What the service is for comes first.
    paths.sort_by_key(|(path, _)| Some(*path) != source.first);
    for (path, operations) in paths {
        for (method, operation) in entries(operations) {
            write_operation(html, document, method, path, operation)?;
        }
    }
    write!(
        html,
        "<h2>Error codes</h2><table><tr><th>code</th><th>status</th><th>meaning</th><th>ask again?</th></tr>"
    )?;
    for Kind { code, status, title, is_retryable } in &source.problems {
        let again = if *is_retryable { "after Retry-After" } else { "no" };
        let status = status.as_u16();
        write!(
            html,
            "<tr id=\"{code}\"><td><code>{code}</code></td><td>{status}</td><td>{title}</td><td>{again}</td></tr>"
        )?;
    }
    html.write_str("</table></body></html>\n")
}

fn write_operation(
    html: &mut String,
    document: &Value,
    method: &str,
    path: &str,
    operation: &Value,
) -> std::fmt::Result {
    let method = method.to_uppercase();
    write!(html, "<h2><code>{method} {}</code></h2>", escape(path))?;
    for text in [&operation["summary"], &operation["description"]] {
        if text.is_string() {
            write!(html, "<p>{}</p>", escaped(text))?;
        }
    }
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let mut rows: Vec<(String, String, String)> = parameters
        .map(|parameter| {
            let name = format!("{} ({})", escaped(&parameter["name"]), escaped(&parameter["in"]));
            (name, kind(&parameter["schema"]), escaped(&parameter["description"]))
        })
        .collect();
    for (media_type, content) in entries(&operation["requestBody"]["content"]) {
        rows.extend(
            fields(document, &content["schema"])
                .into_iter()
                .map(|(name, kind, text)| (format!("{name} (body, {})", escape(media_type)), kind, text)),
        );
    }
    write_rows(html, "Takes", &rows)?;
    html.write_str("<h3>Answers</h3><table>")?;
    for (status, response) in entries(&operation["responses"]) {
        let (status, text) = (escape(status), escaped(&response["description"]));
        write!(html, "<tr><td>{status}</td><td>{text}</td><td>")?;
        for (name, header) in entries(&response["headers"]) {
            write!(html, "<p><code>{}</code>: {}</p>", escape(name), escaped(&header["description"]))?;
        }
        html.write_str("</td></tr>")?;
    }
    html.write_str("</table>")?;
    let good = entries(&operation["responses"]["200"]["content"]);
    let rows: Vec<_> =
        good.into_iter().flat_map(|(_, content)| fields(document, &content["schema"])).collect();
    write_rows(html, "200 holds", &rows)
}

fn write_rows(html: &mut String, title: &str, rows: &[(String, String, String)]) -> std::fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    write!(html, "<h3>{title}</h3><table>")?;
    for (name, kind, text) in rows {
        write!(html, "<tr><td><code>{name}</code></td><td>{kind}</td><td>{text}</td></tr>")?;
    }
    html.write_str("</table>")
}

/// Name, kind and description of each field of a schema, which may be a reference.
fn fields(document: &Value, schema: &Value) -> Vec<(String, String, String)> {
    let referred =
        schema["$ref"].as_str().and_then(|pointer| document.pointer(pointer.trim_start_matches('#')));
    let properties = entries(&referred.unwrap_or(schema)["properties"]);
    let field =
        |(name, property): (&str, &Value)| (escape(name), kind(property), escaped(&property["description"]));
    properties.into_iter().map(field).collect()
}

fn kind(schema: &Value) -> String {
    let mut kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(escaped).collect::<Vec<_>>().join(" or "),
        one => escaped(one),
    };
    if schema["pattern"].is_string() {
        // Writing to a String cannot fail.
        write!(kind, " <code>{}</code>", escaped(&schema["pattern"])).unwrap_or_default();
    }
    kind
}

fn entries(value: &Value) -> Vec<(&str, &Value)> {
    let entries = value.as_object().into_iter().flat_map(Map::iter);
    entries.map(|(name, value)| (name.as_str(), value)).collect()
}

fn escaped(text: &Value) -> String {
    escape(text.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn the_pages_policy_allows_its_own_style_and_nothing_else() {
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        assert_eq!(
            PAGE_POLICY,
            format!("default-src 'none'; frame-ancestors 'none'; style-src 'sha256-{hash}'")
        );
    }

    #[test]
    fn what_stands_in_the_document_is_text_on_the_page() {
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
