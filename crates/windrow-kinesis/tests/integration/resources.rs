//! Tags and consumers.

use std::collections::HashMap;

use aws_sdk_kinesis::types::Tag;

use crate::server::{NOON, STREAM, failure, start};

#[tokio::test]
async fn tags_are_added_listed_and_removed() {
    let server = start(1).await;
    let client = &server.client;
    let tags = HashMap::from(
        [("a", "1"), ("b", "2"), ("c", "3")].map(|(key, value)| (key.into(), value.into())),
    );
    let call = client
        .add_tags_to_stream()
        .stream_name(STREAM)
        .set_tags(Some(tags));
    call.send().await.unwrap();
    let call = client.list_tags_for_stream().stream_name(STREAM);
    let page = call.clone().limit(2).send().await.unwrap();
    let keys = |tags: &[Tag]| {
        tags.iter()
            .map(|tag| tag.key.clone())
            .collect::<Vec<_>>()
            .concat()
    };
    assert_eq!(
        (keys(&page.tags).as_str(), page.has_more_tags),
        ("ab", true)
    );
    let page = call
        .clone()
        .exclusive_start_tag_key("b")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (keys(&page.tags).as_str(), page.has_more_tags),
        ("c", false)
    );
    let remove = client
        .remove_tags_from_stream()
        .stream_name(STREAM)
        .tag_keys("b");
    remove.send().await.unwrap();
    let tag = client
        .tag_resource()
        .resource_arn(server.kinesis.stream_arn(STREAM))
        .tags("d", "4");
    tag.send().await.unwrap();
    let untag = client
        .untag_resource()
        .resource_arn(server.kinesis.stream_arn(STREAM))
        .tag_keys("a");
    untag.send().await.unwrap();
    let listed = client
        .list_tags_for_resource()
        .resource_arn(server.kinesis.stream_arn(STREAM));
    assert_eq!(keys(&listed.send().await.unwrap().tags.unwrap()), "cd");
    let many = (0..49).map(|n| (n.to_string(), String::new())).collect();
    let call = client
        .add_tags_to_stream()
        .stream_name(STREAM)
        .set_tags(Some(many));
    assert_eq!(failure(call.send().await).0, "InvalidArgumentException");
}

#[tokio::test]
async fn consumers_are_registered_listed_and_deregistered() {
    let server = start(1).await;
    let client = &server.client;
    let arn = server.kinesis.stream_arn(STREAM);
    let mut arns = Vec::new();
    for name in ["b", "a", "c"] {
        let call = client
            .register_stream_consumer()
            .stream_arn(&arn)
            .consumer_name(name);
        let consumer = call.tags("t", name).send().await.unwrap().consumer.unwrap();
        assert_eq!(
            consumer.consumer_arn,
            format!("{arn}/consumer/{name}:{}", NOON / 1000)
        );
        arns.push(consumer.consumer_arn);
    }
    let again = client
        .register_stream_consumer()
        .stream_arn(&arn)
        .consumer_name("a");
    assert_eq!(failure(again.send().await).0, "ResourceInUseException");
    let page = client
        .list_stream_consumers()
        .stream_arn(&arn)
        .max_results(2)
        .send()
        .await
        .unwrap();
    let call = client.list_stream_consumers().stream_arn(&arn);
    let rest = call
        .next_token(page.next_token.clone().unwrap())
        .send()
        .await
        .unwrap();
    let names: Vec<_> = [page.consumers(), rest.consumers()].concat();
    let names: Vec<_> = names
        .iter()
        .map(|consumer| consumer.consumer_name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    let call = client.describe_stream_consumer().consumer_arn(&arns[0]);
    let described = call.send().await.unwrap().consumer_description.unwrap();
    assert_eq!(
        (described.consumer_name, described.stream_arn),
        ("b".to_owned(), arn.clone())
    );
    let tags = client
        .list_tags_for_resource()
        .resource_arn(&arns[2])
        .send()
        .await
        .unwrap();
    assert_eq!(tags.tags()[0].value.as_deref(), Some("c"));

    let in_use = client.delete_stream().stream_name(STREAM);
    assert_eq!(
        failure(in_use.clone().send().await).0,
        "ResourceInUseException"
    );
    let call = client
        .deregister_stream_consumer()
        .stream_arn(&arn)
        .consumer_name("a");
    call.send().await.unwrap();
    let call = client
        .describe_stream_consumer()
        .stream_arn(&arn)
        .consumer_name("a");
    assert_eq!(failure(call.send().await).0, "ResourceNotFoundException");
    client
        .deregister_stream_consumer()
        .consumer_arn(&arns[0])
        .send()
        .await
        .unwrap();
    in_use.enforce_consumer_deletion(true).send().await.unwrap();
}
