#![doc = include_str!("../README.md")]
//!
//! A Lambda function uses [`lambda_config`]. Programs that talk to an emulator use
//! [`local_config`]. Command lines use the flags of [`cloud`] (feature `cli`). [`signal`] and
//! [`terminal`] have everything else that command lines share.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `cli` | what command lines share, and the SDK's ways to sign in a user: not for Lambda functions |
//!
//! None is enabled by default.

#[cfg(feature = "cli")]
pub mod cloud;
#[cfg(feature = "cli")]
pub mod duration;
mod network;
mod sdk;
#[cfg(feature = "cli")]
pub mod signal;
#[cfg(feature = "cli")]
pub mod stream;
#[cfg(feature = "cli")]
pub mod terminal;

pub use network::{CaBundleOrigin, NetworkError};
pub use sdk::{http_client, lambda_config, local_config};
