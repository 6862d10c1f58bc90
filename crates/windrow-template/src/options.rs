//! What a template does not say.

use std::collections::BTreeMap;

/// What a template does not say: the values of its parameters, and where it is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackOptions {
    /// The values of parameters that are not their defaults.
    pub parameters: BTreeMap<String, String>,
    /// `AWS::Region`, and the region of all ARNs.
    pub region: String,
    /// `AWS::AccountId`, and the account of all ARNs.
    pub account: String,
    /// `AWS::StackName`.
    pub stack_name: String,
}

impl Default for StackOptions {
    /// The defaults of all parameters, in `us-east-1` and the account `000000000000`, as the stack
    /// `local`.
    fn default() -> Self {
        Self {
            parameters: BTreeMap::new(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            stack_name: "local".to_owned(),
        }
    }
}
