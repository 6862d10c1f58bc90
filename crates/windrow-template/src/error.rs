//! Why a template has no model.

use thiserror::Error;

/// Why a template cannot be read or resolved.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The text is not YAML or JSON, or is too large or too deeply nested.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// The template breaks a rule of CloudFormation or SAM, or a bound of a service.
    #[error("line {line}: {message}")]
    Invalid {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// The template needs something that only AWS knows or does.
    #[error("line {line}: {message}")]
    Unsupported {
        /// The line, counted from 1.
        line: usize,
        /// What cannot be resolved.
        message: String,
    },
    /// A parameter has no value, or one that its definition does not allow, or is not defined.
    #[error("{message}")]
    Parameter {
        /// The parameter's name.
        name: String,
        /// What is wrong with it, and what to do.
        message: String,
    },
}

impl TemplateError {
    pub(crate) fn syntax(line: usize, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Syntax { line, message }
    }

    pub(crate) fn invalid(line: usize, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Invalid { line, message }
    }

    pub(crate) fn unsupported(line: usize, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Unsupported { line, message }
    }

    /// The line, counted from 1, unless no line of the template is wrong.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Syntax { line, .. }
            | Self::Invalid { line, .. }
            | Self::Unsupported { line, .. } => Some(*line),
            Self::Parameter { .. } => None,
        }
    }
}

/// The name of `names` that is most like `name`, as a hint after an unknown one.
pub(crate) fn near<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let name = name.to_lowercase();
    names
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&name, &known.to_lowercase()), known))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

/// "; did you mean X?", if there is a near name.
pub(crate) fn hint<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    match near(name, names) {
        Some(known) => format!("; did you mean `{known}`?"),
        None => String::new(),
    }
}
