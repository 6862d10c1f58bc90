//! Prints what a template has: `cargo run -p windrow-template --example describe_template --
//! template.yaml [Parameter=Value ...]`.

use std::process::ExitCode;

use windrow_template::{StackModel, StackOptions, StackTemplate};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: describe_template TEMPLATE [Parameter=Value ...]");
        return ExitCode::from(2);
    };
    let mut options = StackOptions::default();
    for argument in arguments {
        if let Some((name, value)) = argument.split_once('=') {
            options.parameters.insert(name.to_owned(), value.to_owned());
        }
    }
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let template = StackTemplate::parse(&text);
    match template.and_then(|template| template.resolve(&options)) {
        Ok(stack) => {
            print(&stack);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(stack: &StackModel) {
    for stream in &stack.streams {
        println!("stream {}", stream.name);
    }
    for table in &stack.tables {
        let key = table.key.iter().map(|attribute| attribute.name.as_str());
        println!(
            "table {} with the key {}",
            table.name,
            key.collect::<Vec<_>>().join(", ")
        );
    }
    for delivery in &stack.delivery_streams {
        println!("Firehose stream {}", delivery.name);
    }
    for mapping in &stack.mappings {
        let window = mapping.tumbling_window;
        let window = window.map(|window| format!(", in windows of {} s", window.as_secs()));
        println!(
            "{} invokes {} with the records of {}{}",
            mapping.logical_id,
            mapping.function,
            mapping.stream,
            window.unwrap_or_default()
        );
    }
    for problem in &stack.problems {
        println!("{problem}");
    }
    if let Some(left_out) = stack.left_out_line() {
        println!("left out: {left_out}");
    }
}
