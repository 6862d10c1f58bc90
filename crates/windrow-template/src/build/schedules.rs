//! Functions that are invoked by the clock.

use std::time::Duration;

use super::ModelBuilder;
use crate::error::TemplateError;
use crate::model::ScheduleResource;
use crate::node::NodeEntry;
use crate::properties::Properties;

impl ModelBuilder<'_, '_> {
    /// Adds an event of the type `Schedule` or `ScheduleV2`.
    pub(super) fn add_rate(
        &mut self,
        logical_id: String,
        function: &str,
        properties: &Properties<'_, '_>,
    ) -> Result<(), TemplateError> {
        let key = match properties.first_of(&["Schedule", "ScheduleExpression"])? {
            Some(key) => key,
            None => return Err(properties.error("Schedule", "is missing")),
        };
        let expression = properties.required(key)?;
        let input = properties.text("Input")?;
        self.push_rate(
            logical_id,
            function.to_owned(),
            &expression,
            input,
            properties,
        )
    }

    /// Adds an `AWS::Events::Rule`.
    pub(super) fn add_rule(&mut self, resource: &NodeEntry) -> Result<(), TemplateError> {
        let properties = self.properties(resource)?;
        let Some(expression) = properties.text("ScheduleExpression")? else {
            let message = format!(
                "the rule {} matches events, which the local cloud does not have",
                resource.key
            );
            self.problem(resource.line, message);
            return Ok(());
        };
        for target in properties.sections("Targets")? {
            self.add_target(resource, &expression, &target, &properties)?;
        }
        Ok(())
    }

    /// Adds an `AWS::Scheduler::Schedule`.
    pub(super) fn add_schedule(&mut self, resource: &NodeEntry) -> Result<(), TemplateError> {
        let properties = self.properties(resource)?;
        let expression = properties.required("ScheduleExpression")?;
        let target = properties.section("Target")?;
        self.add_target(resource, &expression, &target, &properties)
    }

    fn add_target(
        &mut self,
        resource: &NodeEntry,
        expression: &str,
        target: &Properties<'_, '_>,
        properties: &Properties<'_, '_>,
    ) -> Result<(), TemplateError> {
        let arn = target.required("Arn")?;
        let Some(function) = self.function(&arn) else {
            let message = format!(
                "{} invokes `{arn}`, which is no function of this template",
                resource.key
            );
            self.problem(target.line, message);
            return Ok(());
        };
        let input = target.text("Input")?;
        self.push_rate(
            resource.key.clone(),
            function,
            expression,
            input,
            properties,
        )
    }

    fn push_rate(
        &mut self,
        logical_id: String,
        function: String,
        expression: &str,
        input: Option<String>,
        properties: &Properties<'_, '_>,
    ) -> Result<(), TemplateError> {
        let Some(period) = rate(expression) else {
            let message = format!(
                "the schedule {logical_id} is `{expression}`; only schedules such as `rate(5 \
                 minutes)` run here"
            );
            self.problem(properties.line, message);
            return Ok(());
        };
        let is_disabled = properties.text("State")?.as_deref() == Some("DISABLED")
            || properties.flag("Enabled")? == Some(false);
        self.model.schedules.push(ScheduleResource {
            logical_id,
            function,
            period,
            input,
            is_enabled: !is_disabled,
            line: properties.line,
        });
        Ok(())
    }
}

/// The period of a rate expression, such as `rate(5 minutes)`.
fn rate(expression: &str) -> Option<Duration> {
    let inner = expression.trim().strip_prefix("rate(")?.strip_suffix(')')?;
    let (value, unit) = inner.trim().split_once(' ')?;
    let value: u32 = value.parse().ok().filter(|value| *value > 0)?;
    let seconds = match unit.trim() {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 60 * 60,
        "day" | "days" => 24 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(u64::from(value) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        assert_eq!(rate("rate(1 minute)"), Some(Duration::from_secs(60)));
        assert_eq!(rate("rate(2 hours)"), Some(Duration::from_secs(7200)));
        for other in [
            "cron(0 12 * * ? *)",
            "rate(0 minutes)",
            "rate(5)",
            "rate(1 week)",
        ] {
            assert_eq!(rate(other), None, "{other}");
        }
    }
}
