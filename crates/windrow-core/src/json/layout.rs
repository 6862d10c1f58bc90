//! The order of an object's fields, as a hint for the next object.

/// The fields of the last object, in their order and spelling.
///
/// Consecutive objects of a log mostly have the same fields in the same order. Whoever parses many
/// keeps one layout for them, so that most keys take one comparison. A layout never changes what is
/// parsed, only how long it takes.
#[derive(Clone, Debug, Default)]
pub struct FieldLayout {}
