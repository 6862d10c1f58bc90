//! The derive macro that makes a sensor of a struct. Use it through the crate `windrow`, which
//! documents it.

mod declaration;
mod names;

use proc_macro::TokenStream;

/// Declares the fields of a sensor's readings: implements `windrow::core::sensor::Fields`.
///
/// See the crate `windrow`, which re-exports this macro.
#[proc_macro_derive(Sensor, attributes(sensor))]
pub fn derive_sensor(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    let expanded = declaration::expand(&input);
    expanded
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
