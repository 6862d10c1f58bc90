#![doc = include_str!("../README.md")]

mod declaration;
mod names;

use proc_macro::TokenStream;

/// Declares the fields of a sensor's readings: implements the trait `windrow::core::sensor::Fields`
/// for a struct with named fields. The sensor itself is a value, which the function
/// `windrow::sensor` makes of the fields.
///
/// The crate `windrow`, which re-exports this macro, documents its attributes.
#[proc_macro_derive(Sensor, attributes(sensor))]
pub fn derive_sensor(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    let expanded = declaration::expand(&input);
    expanded
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
