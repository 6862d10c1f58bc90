//! The tags of delivery streams.

use std::sync::Arc;

use super::committed::StateFolder;
use super::definition::DeliveryTags;
use super::error::{FirehoseError, not_found, unavailable};
use super::{Firehose, blocking, lock};

/// The limits of tags. Source: Firehose API reference, `Tag` and `TagDeliveryStream`.
const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

impl Firehose {
    /// Sets tags of a delivery stream. Those with other keys are kept.
    ///
    /// # Errors
    ///
    /// [`FirehoseError::NotFound`]; [`FirehoseError::Invalid`] for a key or a value that Firehose
    /// rejects; [`FirehoseError::LimitExceeded`] for more than 50 tags; and
    /// [`FirehoseError::Unavailable`] if they could not be written.
    pub async fn tag(&self, name: &str, tags: DeliveryTags) -> Result<(), FirehoseError> {
        check_tags(&tags)?;
        self.change_tags(name, move |all| all.extend(tags)).await
    }

    /// Removes tags of a delivery stream. It need not have them.
    ///
    /// # Errors
    ///
    /// [`FirehoseError::NotFound`], and [`FirehoseError::Unavailable`] if that could not be written.
    pub async fn untag(&self, name: &str, keys: Vec<String>) -> Result<(), FirehoseError> {
        let remove = move |all: &mut DeliveryTags| all.retain(|key, _| !keys.contains(key));
        self.change_tags(name, remove).await
    }

    async fn change_tags(
        &self,
        name: &str,
        change: impl FnOnce(&mut DeliveryTags) + Send + 'static,
    ) -> Result<(), FirehoseError> {
        let entry = self.entry(name)?;
        let shared = Arc::clone(&self.shared);
        blocking(name, move || {
            // A delivery stream that is being deleted must not get its files back.
            let writer = lock(&entry.writer);
            if writer.is_none() {
                return Err(not_found(&entry.name));
            }
            let mut definition = lock(&entry.definition);
            let mut changed = definition.clone();
            change(&mut changed.settings.tags);
            check_count(&changed.settings.tags)?;
            StateFolder::new(&shared.states, &entry.name)
                .write_definition(&changed)
                .map_err(|source| unavailable(&entry.name, source))?;
            *definition = changed;
            Ok(())
        })
        .await
    }
}

/// Checks the tags of a new delivery stream.
pub(super) fn check_new_tags(tags: &DeliveryTags) -> Result<(), FirehoseError> {
    check_tags(tags)?;
    check_count(tags)
}

fn check_count(tags: &DeliveryTags) -> Result<(), FirehoseError> {
    if tags.len() <= MAX_TAGS {
        return Ok(());
    }
    Err(FirehoseError::LimitExceeded {
        message: format!("a delivery stream has at most {MAX_TAGS} tags"),
    })
}

fn check_tags(tags: &DeliveryTags) -> Result<(), FirehoseError> {
    for (key, value) in tags {
        let is_key = (1..=MAX_KEY).contains(&key.chars().count())
            && key.chars().all(is_allowed)
            && !key.starts_with("aws:");
        let value = value.as_deref().unwrap_or_default();
        let is_value = value.chars().count() <= MAX_VALUE && value.chars().all(is_allowed);
        if !is_key || !is_value {
            let message = format!(
                "invalid tag {key:?}: a key has 1 to {MAX_KEY} and a value up to {MAX_VALUE} letters, digits, spaces and _.:/=+-@%, and no key begins with aws:"
            );
            return Err(FirehoseError::Invalid { message });
        }
    }
    Ok(())
}

fn is_allowed(character: char) -> bool {
    character.is_alphanumeric()
        || character == ' '
        || (character.is_whitespace() && !character.is_control())
        || "_.:/=+-@%".contains(character)
}
