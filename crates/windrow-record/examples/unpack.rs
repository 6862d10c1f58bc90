//! Shows what a record's data holds: `cargo run -p windrow-record --example unpack -- record.bin`.

use std::error::Error;

use windrow_record::Unpacker;

fn main() -> Result<(), Box<dyn Error>> {
    let mut unpacker = Unpacker::default();
    for path in std::env::args_os().skip(1) {
        let record = std::fs::read(path)?;
        unpacker.unpack(&record, |payload| {
            if let Some(user_record) = payload.user_record {
                let (number, key) = (user_record.sub_sequence_number, user_record.partition_key);
                print!("user record {number} of {key:?}: ");
            }
            match payload.data {
                Ok(data) => println!("{}", String::from_utf8_lossy(data)),
                Err(error) => println!("{error}"),
            }
        });
    }
    Ok(())
}
