//! From a type to its implementations.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Data, DataEnum, DeriveInput, Error, Field, Fields, Result, Variant, spanned::Spanned};

use crate::attributes::{Attributes, Case, Fallback};

/// A field with a name, and what it is called on the wire.
struct Named<'a> {
    field: &'a Ident,
    name: String,
    attributes: Attributes,
}

/// A variant, and what it is called on the wire.
struct Choice<'a> {
    variant: &'a Variant,
    name: String,
    other: bool,
}

fn checked(input: &DeriveInput) -> Result<Attributes> {
    if input.generics.params.is_empty() {
        Attributes::of(&input.attrs)
    } else {
        Err(Error::new(input.generics.span(), "wire knows types without parameters only"))
    }
}

fn named_fields(fields: &Fields, case: Option<Case>) -> Result<Vec<Named<'_>>> {
    let named = |field: &'_ Field| -> Result<(String, Attributes)> {
        let attributes = Attributes::of(&field.attrs)?;
        let own = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        let own = own.strip_prefix("r#").unwrap_or(&own).to_owned();
        let name =
            attributes.rename.clone().unwrap_or_else(|| case.map_or(own.clone(), |case| case.apply(&own)));
        Ok((name, attributes))
    };
    let with_ident = fields.iter().filter_map(|field| Some((field, field.ident.as_ref()?)));
    with_ident
        .map(|(field, ident)| named(field).map(|(name, attributes)| Named { field: ident, name, attributes }))
        .collect()
}

fn choices<'a>(data: &'a DataEnum, container: &Attributes) -> Result<Vec<Choice<'a>>> {
    let choice = |variant: &'a Variant| {
        let attributes = Attributes::of(&variant.attrs)?;
        let own = variant.ident.to_string();
        let name = attributes
            .rename
            .unwrap_or_else(|| container.rename_all.map_or(own.clone(), |case| case.apply(&own)));
        Ok(Choice { variant, name, other: attributes.other })
    };
    data.variants.iter().map(choice).collect()
}

/// Statements that put the fields into `map`; `place` gives each field's reference.
fn put_fields(fields: &[Named<'_>], place: impl Fn(&Ident) -> TokenStream) -> TokenStream {
    let puts = fields.iter().map(|Named { field, name, attributes }| {
        let place = place(field);
        let value = quote!(::wire::ToTree::to_tree(#place));
        let put =
            if attributes.flatten { quote!(map.append(#value);) } else { quote!(map.put(#name, #value);) };
        match &attributes.skip_serializing_if {
            Some(skip) => quote!(if !#skip(#place) { #put }),
            None => put,
        }
    });
    quote!(#(#puts)*)
}

/// The fields of a value, read from `tree`.
fn get_fields(fields: &[Named<'_>]) -> TokenStream {
    let gets = fields.iter().map(|Named { field, name, attributes }| {
        let value = if attributes.flatten {
            quote!(::wire::FromTree::from_tree(tree)?)
        } else {
            match &attributes.default {
                None => quote!(tree.field(#name)?),
                Some(Fallback::Default) => quote!(tree.field_or(#name, ::core::default::Default::default)?),
                Some(Fallback::Call(path)) => quote!(tree.field_or(#name, #path)?),
            }
        };
        quote!(#field: #value)
    });
    quote!(#(#gets,)*)
}

pub fn to_tree(input: &DeriveInput) -> Result<TokenStream> {
    let container = checked(input)?;
    let body = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => quote!(::wire::ToTree::to_tree(&self.0)),
            Fields::Named(_) => {
                let puts = put_fields(
                    &named_fields(&data.fields, container.rename_all)?,
                    |field| quote!(&self.#field),
                );
                quote! { let mut map = ::wire::Map::default(); #puts ::wire::Tree::Map(map) }
            }
            _ => return Err(Error::new(data.fields.span(), "wire does not know this kind of struct")),
        },
        Data::Enum(data) => {
            let arms = choices(data, &container)?;
            let arms =
                arms.iter().map(|choice| write_choice(choice, &container)).collect::<Result<Vec<_>>>()?;
            quote!(match self { #(#arms)* })
        }
        Data::Union(data) => return Err(Error::new(data.union_token.span, "wire does not know unions")),
    };
    let name = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::wire::ToTree for #name {
            fn to_tree(&self) -> ::wire::Tree { #body }
        }
    })
}

fn write_choice(choice: &Choice<'_>, container: &Attributes) -> Result<TokenStream> {
    let (ident, name) = (&choice.variant.ident, &choice.name);
    // Inside of the value itself (`tag`), or around it.
    let tagged = |value: TokenStream| match &container.tag {
        Some(tag) => quote!(::wire::tagged(#tag, #name, #value)),
        None => quote!(::wire::named(#name, #value)),
    };
    Ok(match &choice.variant.fields {
        Fields::Unit if container.tag.is_none() => quote!(Self::#ident => ::wire::Tree::Word(#name),),
        Fields::Unit => {
            let value = tagged(quote!(::wire::Tree::Map(::wire::Map::default())));
            quote!(Self::#ident => #value,)
        }
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            let value = tagged(quote!(::wire::ToTree::to_tree(inner)));
            quote!(Self::#ident(inner) => #value,)
        }
        Fields::Named(_) => {
            let fields = named_fields(&choice.variant.fields, container.rename_all_fields)?;
            let (names, puts) =
                (fields.iter().map(|field| field.field), put_fields(&fields, |field| quote!(#field)));
            let value = tagged(quote!(::wire::Tree::Map(map)));
            quote!(Self::#ident { #(#names),* } => { let mut map = ::wire::Map::default(); #puts #value })
        }
        fields => return Err(Error::new(fields.span(), "wire does not know this kind of variant")),
    })
}

pub fn from_tree(input: &DeriveInput) -> Result<TokenStream> {
    let container = checked(input)?;
    let body = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                quote!(::core::option::Option::Some(Self(::wire::FromTree::from_tree(tree)?)))
            }
            Fields::Named(_) => {
                let fields = named_fields(&data.fields, container.rename_all)?;
                if container.default.is_some() {
                    let fills = fields
                        .iter()
                        .map(|Named { field, name, .. }| quote!(tree.fill(#name, &mut this.#field)?;));
                    quote! {
                        tree.as_map()?;
                        let mut this = <Self as ::core::default::Default>::default();
                        #(#fills)*
                        ::core::option::Option::Some(this)
                    }
                } else {
                    let gets = get_fields(&fields);
                    quote!(tree.as_map()?; ::core::option::Option::Some(Self { #gets }))
                }
            }
            _ => return Err(Error::new(data.fields.span(), "wire does not know this kind of struct")),
        },
        Data::Enum(data) => read_enum(&choices(data, &container)?, &container)?,
        Data::Union(data) => return Err(Error::new(data.union_token.span, "wire does not know unions")),
    };
    let name = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::wire::FromTree for #name {
            fn from_tree(tree: &mut ::wire::Tree) -> ::core::option::Option<Self> { #body }
        }
    })
}

fn read_enum(choices: &[Choice<'_>], container: &Attributes) -> Result<TokenStream> {
    let arm = |choice: &Choice<'_>| -> Result<TokenStream> {
        let (ident, name) = (&choice.variant.ident, &choice.name);
        let value = match &choice.variant.fields {
            Fields::Unit => quote!(Self::#ident),
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                quote!(Self::#ident(::wire::FromTree::from_tree(tree)?))
            }
            Fields::Named(_) => {
                let gets = get_fields(&named_fields(&choice.variant.fields, container.rename_all_fields)?);
                quote!({ tree.as_map()?; Self::#ident { #gets } })
            }
            fields => return Err(Error::new(fields.span(), "wire does not know this kind of variant")),
        };
        Ok(quote!(#name => #value,))
    };
    let arms = |choices: &mut dyn Iterator<Item = &Choice<'_>>| choices.map(arm).collect::<Result<Vec<_>>>();
    let other = choices.iter().find(|choice| choice.other).map(|choice| &choice.variant.ident);
    let unknown = match other {
        Some(ident) => quote!(Self::#ident),
        None => quote!(return ::core::option::Option::None),
    };
    let is_unit = |choice: &&Choice<'_>| matches!(choice.variant.fields, Fields::Unit);
    if let Some(tag) = &container.tag {
        let arms = arms(&mut choices.iter())?;
        return Ok(quote! {
            let name = tree.tag(#tag)?;
            ::core::option::Option::Some(match &*name { #(#arms)* _ => #unknown })
        });
    }
    let words = arms(&mut choices.iter().filter(is_unit))?;
    let around = arms(&mut choices.iter().filter(|choice| !is_unit(choice)))?;
    let words = quote!(::core::option::Option::Some(match tree.as_text()? { #(#words)* _ => #unknown }));
    let around = quote! {
        let (name, tree) = tree.only_entry()?;
        ::core::option::Option::Some(match name { #(#around)* _ => return ::core::option::Option::None })
    };
    let are_units = |choice: &Choice<'_>| matches!(choice.variant.fields, Fields::Unit);
    Ok(if choices.iter().all(are_units) {
        words
    } else if choices.iter().any(are_units) {
        quote!(if tree.as_map().is_none() { return #words; } #around)
    } else {
        around
    })
}

pub fn named(input: &DeriveInput) -> Result<TokenStream> {
    let container = checked(input)?;
    let Data::Enum(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "only the variants of an enum have names"));
    };
    let choices = choices(data, &container)?;
    let arms = choices.iter().map(|Choice { variant, name, .. }| {
        let ident = &variant.ident;
        quote!(Self::#ident { .. } => #name,)
    });
    let known: Vec<_> = choices.iter().filter(|choice| !choice.other).collect();
    let (count, names) = (known.len(), known.iter().map(|choice| &choice.name));
    let all = choices.iter().all(|choice| matches!(choice.variant.fields, Fields::Unit)).then(|| {
        let idents = known.iter().map(|choice| &choice.variant.ident);
        quote! {
            /// All that there are, in the order in which they are written down.
            pub const ALL: [Self; #count] = [#(Self::#idents),*];
        }
    });
    let units: Vec<_> =
        choices.iter().filter(|choice| matches!(choice.variant.fields, Fields::Unit)).collect();
    let from_name = (!units.is_empty()).then(|| {
        let (names, idents) =
            (units.iter().map(|unit| &unit.name), units.iter().map(|unit| &unit.variant.ident));
        quote! {
            /// The one of this name, among those without fields.
            #[must_use]
            pub fn from_name(name: &str) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(match name {
                    #(#names => Self::#idents,)*
                    _ => return ::core::option::Option::None,
                })
            }
        }
    });
    let name = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl #name {
            /// The names of all on the wire, in the order in which they are written down.
            pub const NAMES: [&'static str; #count] = [#(#names),*];
            #all

            /// The name on the wire.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { #(#arms)* }
            }

            #from_name
        }
    })
}
