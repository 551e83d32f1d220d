//! `#[serde(…)]`: what of it is understood.

use syn::{Attribute, Expr, ExprPath, LitStr, Result, Token, meta::ParseNestedMeta};

/// What a container, a variant or a field says. Each place allows some of these only, which serde's own derive checks.
#[derive(Default)]
pub struct Attributes {
    pub rename: Option<String>,
    pub rename_all: Option<Case>,
    pub rename_all_fields: Option<Case>,
    pub tag: Option<String>,
    pub default: Option<Fallback>,
    pub skip_serializing_if: Option<ExprPath>,
    pub flatten: bool,
    pub other: bool,
}

/// What stands in for a field that is not there.
pub enum Fallback {
    /// `Default::default()`; of a container, the same field of its default.
    Default,
    /// This function's answer.
    Call(ExprPath),
}

/// How a Rust name is written on the wire.
#[derive(Clone, Copy)]
pub enum Case {
    Camel,
    Snake,
    Kebab,
}

impl Attributes {
    pub fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut all = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| all.take(&meta))?;
        }
        Ok(all)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let name = meta.path.require_ident()?.to_string();
        match name.as_str() {
            "rename" => self.rename = Some(text(meta)?.value()),
            "rename_all" => self.rename_all = Some(Case::of(&text(meta)?)?),
            "rename_all_fields" => self.rename_all_fields = Some(Case::of(&text(meta)?)?),
            "tag" => self.tag = Some(text(meta)?.value()),
            "default" if meta.input.peek(Token![=]) => {
                self.default = Some(Fallback::Call(text(meta)?.parse()?));
            }
            "default" => self.default = Some(Fallback::Default),
            "skip_serializing_if" => self.skip_serializing_if = Some(text(meta)?.parse()?),
            "flatten" => self.flatten = true,
            "other" => self.other = true,
            // A struct of one unnamed field is always written as that field.
            "transparent" => {}
            _ => return Err(meta.error("wire does not know this attribute of serde's")),
        }
        Ok(())
    }
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    match meta.value()?.parse()? {
        Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Ok(text),
        _ => Err(meta.error("wire knows this attribute with a text only")),
    }
}

impl Case {
    fn of(text: &LitStr) -> Result<Self> {
        match text.value().as_str() {
            "camelCase" => Ok(Self::Camel),
            "snake_case" => Ok(Self::Snake),
            "kebab-case" => Ok(Self::Kebab),
            _ => Err(syn::Error::new(text.span(), "wire does not know this case")),
        }
    }

    /// A name in Rust's own case: `PascalCase` of a variant, `snake_case` of a field.
    pub fn apply(self, name: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        for part in name.split('_') {
            words.push(String::new());
            for char in part.chars() {
                let empty = words.last().is_none_or(String::is_empty);
                if char.is_uppercase() && !empty {
                    words.push(String::new());
                }
                if let Some(word) = words.last_mut() {
                    word.extend(char.to_lowercase());
                }
            }
        }
        match self {
            Self::Snake => words.join("_"),
            Self::Kebab => words.join("-"),
            Self::Camel => words.iter().enumerate().map(|(at, word)| capitalised(word, at > 0)).collect(),
        }
    }
}

fn capitalised(word: &str, really: bool) -> String {
    let mut chars = word.chars();
    match chars.next() {
        Some(first) if really => first.to_uppercase().chain(chars).collect(),
        _ => word.to_owned(),
    }
}
