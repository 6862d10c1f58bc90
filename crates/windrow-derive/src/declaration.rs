//! Reads a struct's attributes and writes the implementation.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned as _;
use syn::{
    Data, DeriveInput, Error, Expr, Field, Fields, GenericParam, Ident, LitInt, LitStr, Path,
    Result, Token,
};

use crate::names::{NameCase, measure_name};

/// What the attributes of the struct say.
struct StructOptions {
    name_case: NameCase,
    filter: Option<Expr>,
    /// The path of the crate `windrow`.
    windrow: Path,
}

/// What the attributes of a field say.
struct DeclaredField<'a> {
    ident: &'a Ident,
    field: &'a Field,
    /// Its name in JSON.
    name: String,
    roles: Vec<TokenStream>,
    is_time: bool,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let options = struct_options(input)?;
    let fields = declared_fields(input, &options)?;
    let StructOptions {
        filter, windrow, ..
    } = &options;
    let ident = &input.ident;
    let (of_any, of_static, lifetime) = lifetimes(input)?;
    let filter = match filter {
        Some(filter) => quote!(::core::option::Option::Some(|reading| (#filter)(reading))),
        None => quote!(::core::option::Option::None),
    };
    let sensor = options.sensor_module();
    let value = quote!(#windrow::core::value::FieldValue);
    let declarations = fields.iter().map(|field| field.declaration(&sensor));
    let readers = fields.iter().map(|field| field.reader(&sensor));
    let checks = fields
        .iter()
        .map(|field| field.constant(&sensor, "IS_CHECKED"));
    let values = fields.iter().map(|field| field.value(&sensor));
    Ok(quote! {
        const _: () = {
            #[automatically_derived]
            impl #sensor::Fields for #ident #of_static {
                type Reading<'reading> = #ident #of_any;

                const FILTER: ::core::option::Option<fn(&Self::Reading<'_>) -> bool> = #filter;

                const IS_CHECKED: bool = {
                    const fn is_checked<#lifetime>() -> bool {
                        false #(|| #checks)*
                    }
                    is_checked()
                };

                fn fields() -> ::std::vec::Vec<#sensor::Field> {
                    fn declared<#lifetime>() -> ::std::vec::Vec<#sensor::Field> {
                        ::std::vec![#(#declarations),*]
                    }
                    declared()
                }

                fn from_values<'reading>(
                    values: &[#value<'reading>],
                ) -> ::core::result::Result<Self::Reading<'reading>, #windrow::core::rejection::Rejection> {
                    let mut values = values.iter();
                    ::core::result::Result::Ok(#ident { #(#readers,)* })
                }

                fn values<'reading>(
                    reading: &'reading Self::Reading<'_>,
                ) -> ::std::vec::Vec<#value<'reading>> {
                    ::std::vec![#(#values),*]
                }
            }
        };
    })
}

/// The struct's generic arguments for the lifetime `'reading` and for `'static`, and its lifetime.
fn lifetimes(input: &DeriveInput) -> Result<(TokenStream, TokenStream, TokenStream)> {
    let mut parameters = input.generics.params.iter();
    match (parameters.next(), parameters.next()) {
        (None, _) => Ok(Default::default()),
        (Some(GenericParam::Lifetime(only)), None) => Ok((
            quote!(<'reading>),
            quote!(<'static>),
            only.lifetime.to_token_stream(),
        )),
        (Some(first), _) => Err(Error::new_spanned(
            first,
            "a sensor's readings can have one lifetime, and no other parameters",
        )),
    }
}

impl StructOptions {
    /// The path of the module that has everything the implementation names, but values. The
    /// implementation imports nothing: a user's own types may have any name.
    fn sensor_module(&self) -> TokenStream {
        let windrow = &self.windrow;
        quote!(#windrow::core::sensor)
    }
}

fn struct_options(input: &DeriveInput) -> Result<StructOptions> {
    let mut options = StructOptions {
        name_case: NameCase::default(),
        filter: None,
        windrow: syn::parse_quote!(::windrow),
    };
    for attribute in &input.attrs {
        if !attribute.path().is_ident("sensor") {
            continue;
        }
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename_all") {
                options.name_case = NameCase::parse(&meta.value()?.parse()?)?;
            } else if meta.path.is_ident("filter") {
                options.filter = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("crate") {
                options.windrow = meta.value()?.parse()?;
            } else {
                return Err(meta.error("expected rename_all, filter or crate"));
            }
            Ok(())
        })?;
    }
    Ok(options)
}

fn declared_fields<'a>(
    input: &'a DeriveInput,
    options: &StructOptions,
) -> Result<Vec<DeclaredField<'a>>> {
    let Data::Struct(data) = &input.data else {
        let problem = "a sensor's readings are a struct with named fields";
        return Err(Error::new_spanned(&input.ident, problem));
    };
    let Fields::Named(named) = &data.fields else {
        let problem = "a sensor's readings are a struct with named fields";
        return Err(Error::new_spanned(&input.ident, problem));
    };
    let mut fields: Vec<DeclaredField<'a>> = Vec::new();
    for field in &named.named {
        let Some(ident) = &field.ident else {
            continue;
        };
        let declared = DeclaredField::read(ident, field, options)?;
        if declared.is_time && fields.iter().any(|field| field.is_time) {
            let problem = "another field is marked as the time already";
            return Err(Error::new_spanned(ident, problem));
        }
        fields.push(declared);
    }
    Ok(fields)
}

impl<'a> DeclaredField<'a> {
    fn read(ident: &'a Ident, field: &'a Field, options: &StructOptions) -> Result<Self> {
        let rust_name = ident.to_string();
        let rust_name = rust_name.trim_start_matches("r#");
        let mut name = options.name_case.apply(rust_name);
        let mut marks: Vec<Mark> = Vec::new();
        for attribute in &field.attrs {
            if !attribute.path().is_ident("sensor") {
                continue;
            }
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    name = meta.value()?.parse::<LitStr>()?.value();
                } else {
                    marks.push(Mark::read(&meta)?);
                }
                Ok(())
            })?;
        }
        Ok(Self {
            ident,
            field,
            roles: marks
                .iter()
                .map(|mark| mark.role(&name, &field.ty, &options.sensor_module()))
                .collect(),
            is_time: marks.iter().any(|mark| matches!(mark, Mark::Time)),
            name,
        })
    }

    /// The expression of the field's declaration.
    fn declaration(&self, sensor: &TokenStream) -> TokenStream {
        let Self { name, roles, .. } = self;
        let column_type = self.constant(sensor, "COLUMN_TYPE");
        let is_nullable = self.constant(sensor, "IS_NULLABLE");
        quote! {
            #sensor::Field {
                name: ::std::string::String::from(#name),
                column_type: #column_type,
                is_nullable: #is_nullable,
                roles: ::std::vec![#(#roles),*],
            }
        }
    }

    /// A constant of the field's type.
    fn constant(&self, sensor: &TokenStream, name: &str) -> TokenStream {
        let field_type = &self.field.ty;
        let name = Ident::new(name, Span::call_site());
        quote!(<#field_type as #sensor::FieldType<'_>>::#name)
    }

    /// The field with its value, out of the iterator `values`.
    fn reader(&self, sensor: &TokenStream) -> TokenStream {
        let Self { ident, name, .. } = self;
        // An error that the type is not one of a field is then reported at the field.
        quote_spanned! { self.field.ty.span() =>
            #ident: #sensor::FieldType::of_field(#name, ::core::iter::Iterator::next(&mut values))?
        }
    }

    /// The value of the field of `reading`.
    fn value(&self, sensor: &TokenStream) -> TokenStream {
        let ident = self.ident;
        quote_spanned! { self.field.ty.span() =>
            #sensor::FieldType::to_value(&reading.#ident)
        }
    }
}

/// What a field is for.
enum Mark {
    Key,
    Time,
    Identity,
    Measure {
        /// As in the attribute.
        function: &'static str,
        /// The column's name, if it is given.
        name: Option<String>,
        /// The digits after the point of an average, if they are given.
        places: Option<LitInt>,
    },
}

const FUNCTIONS: [&str; 7] = ["sum", "min", "max", "count", "avg", "first", "last"];

impl Mark {
    fn read(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        for (name, mark) in [
            ("key", Self::Key),
            ("time", Self::Time),
            ("identity", Self::Identity),
        ] {
            if meta.path.is_ident(name) {
                return Ok(mark);
            }
        }
        let function = FUNCTIONS.into_iter().find(|name| meta.path.is_ident(name));
        let Some(function) = function else {
            return Err(meta.error(
                "expected key, time, identity, sum, min, max, count, avg, first, last or rename",
            ));
        };
        let (mut name, mut places) = (None, None);
        if meta.input.peek(Token![=]) {
            name = Some(meta.value()?.parse::<LitStr>()?.value());
        } else if meta.input.peek(syn::token::Paren) {
            meta.parse_nested_meta(|option| {
                if option.path.is_ident("name") {
                    name = Some(option.value()?.parse::<LitStr>()?.value());
                } else if option.path.is_ident("places") && function == "avg" {
                    places = Some(option.value()?.parse::<LitInt>()?);
                } else {
                    return Err(option.error("expected name, or places for avg"));
                }
                Ok(())
            })?;
        }
        Ok(Self::Measure {
            function,
            name,
            places,
        })
    }

    /// The expression of the role of a field with this name and type.
    fn role(&self, field: &str, field_type: &syn::Type, sensor: &TokenStream) -> TokenStream {
        let aggregation = quote!(#sensor::Aggregation);
        let (function, name, places) = match self {
            Self::Key => return quote!(#sensor::FieldRole::Key),
            Self::Time => return quote!(#sensor::FieldRole::Time),
            Self::Identity => return quote!(#sensor::FieldRole::Identity),
            Self::Measure {
                function,
                name,
                places,
            } => (*function, name, places),
        };
        let name = name
            .clone()
            .unwrap_or_else(|| measure_name(function, field));
        let function = match (function, places) {
            ("sum", _) => quote!(#aggregation::Sum),
            ("min", _) => quote!(#aggregation::Min),
            ("max", _) => quote!(#aggregation::Max),
            ("count", _) => quote!(#aggregation::Count),
            ("first", _) => quote!(#aggregation::First),
            ("last", _) => quote!(#aggregation::Last),
            (_, Some(places)) => quote!(#aggregation::Average { places: #places }),
            (_, None) => {
                quote!(#aggregation::average_of(<#field_type as #sensor::FieldType<'_>>::COLUMN_TYPE))
            }
        };
        quote! {
            #sensor::FieldRole::Measure {
                name: ::std::string::String::from(#name),
                function: #function,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sensor_is_explained() {
        let no_struct = "a sensor's readings are a struct with named fields";
        for (declaration, expected) in [
            ("enum Air {}", no_struct),
            ("struct Air(u8);", no_struct),
            (
                "struct Air<T> { pm25: T }",
                "a sensor's readings can have one lifetime, and no other parameters",
            ),
            (
                "struct Air { #[sensor(median)] pm25: u8 }",
                "expected key, time, identity, sum, min, max, count, avg, first, last or rename",
            ),
            (
                "struct Air { #[sensor(sum(places = 1))] pm25: u8 }",
                "expected name, or places for avg",
            ),
            (
                "struct Air { #[sensor(time)] a: Timestamp, #[sensor(time)] b: Timestamp }",
                "another field is marked as the time already",
            ),
            (
                "#[sensor(rename_all = \"kebab-case\")] struct Air {}",
                "expected snake_case, camelCase or PascalCase",
            ),
            (
                "#[sensor(filer = Air::is_plausible)] struct Air {}",
                "expected rename_all, filter or crate",
            ),
        ] {
            let input: DeriveInput = syn::parse_str(declaration).unwrap();
            assert_eq!(expand(&input).unwrap_err().to_string(), expected);
        }
    }
}
