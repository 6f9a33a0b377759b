//! Effects as lines of text, for scenarios and for people.

use coordinator::controller::effect::{Answer, Effect, Guard, LogLevel, MetadataBody, OfTopic, ZkAction, ZkRead};
use zk_schema::BrokerId;

/// One or more lines; nothing for log lines below warnings.
pub fn lines(effect: &Effect) -> Vec<String> {
    match effect {
        Effect::StartWatching => vec!["watch".to_owned()],
        Effect::ZkRead { reads, .. } => reads.iter().map(read).collect(),
        Effect::ZkWrite { guard, writes, .. } => {
            let guard = if *guard == Guard::None { " unguarded" } else { "" };
            writes.iter().map(|write| format!("zk{guard} {}", action(&write.path, &write.action))).collect()
        }
        Effect::Connect(broker) => vec![format!("connect {} epoch {}", broker.id, broker.epoch)],
        Effect::Disconnect(broker) => vec![format!("disconnect {broker}")],
        Effect::LeaderAndIsr(order) => {
            let mut lines = vec![format!("to {} LeaderAndIsr", order.broker)];
            each(&order.topics, |name, p| {
                let moving = if p.adding.is_empty() && p.removing.is_empty() {
                    String::new()
                } else {
                    format!(" adding {} removing {}", ids(&p.adding), ids(&p.removing))
                };
                let new = if p.is_new { " new" } else { "" };
                lines.push(format!(
                    "    {name}-{}: leader {} epoch {} isr {} version {} replicas {}{moving}{new}",
                    p.partition,
                    p.leader,
                    p.leader_epoch,
                    ids(&p.isr),
                    p.partition_epoch,
                    ids(&p.replicas)
                ));
            });
            lines
        }
        Effect::UpdateMetadata(order) => {
            let told: Vec<BrokerId> = order.brokers.iter().map(|(id, _)| *id).collect();
            let mut lines = vec![format!("to {} UpdateMetadata, live {}", ids(&told), live(&order.body))];
            each(&order.body.topics, |name, p| {
                lines.push(format!(
                    "    {name}-{}: leader {} epoch {} isr {} offline {}",
                    p.partition,
                    p.leader,
                    p.leader_epoch,
                    ids(&p.isr),
                    ids(&p.offline_replicas)
                ));
            });
            lines
        }
        Effect::StopReplica(order) => {
            let mut lines = vec![format!("to {} StopReplica", order.broker)];
            each(&order.topics, |name, p| {
                let delete = if p.delete { " delete" } else { "" };
                lines.push(format!("    {name}-{}: epoch {}{delete}", p.partition, p.leader_epoch));
            });
            lines
        }
        Effect::Answer { answer, .. } => vec![format!("answer {}", answered(answer))],
        Effect::SetTimer { key, at } => vec![format!("timer {key:?} at {at}")],
        Effect::CancelTimer(key) => vec![format!("cancel {key:?}")],
        Effect::Resign { delete_controller, .. } => vec![format!("resign, delete /controller: {delete_controller}")],
        Effect::Log(level, text) if LogLevel::Warn <= *level => vec![format!("log {level:?} {text}")],
        Effect::Log(..) => Vec::new(),
    }
}

fn read(read: &ZkRead) -> String {
    match read {
        ZkRead::Data(path) => format!("read {path}"),
        ZkRead::Children(path) => format!("list {path}"),
    }
}

fn action(path: &str, action: &ZkAction) -> String {
    let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
    match action {
        ZkAction::Create(data) => format!("create {path} {}", data.as_deref().map(text).unwrap_or_default()),
        ZkAction::SetData { data, expected: Some(version) } => format!("set {path} version {version} {}", text(data)),
        ZkAction::SetData { data, expected: None } => format!("set {path} {}", text(data)),
        ZkAction::Delete => format!("delete {path}"),
        ZkAction::DeleteTree => format!("delete all of {path}"),
    }
}

fn each<T>(topics: &[OfTopic<T>], mut line: impl FnMut(&str, &T)) {
    for topic in topics {
        for partition in &topic.partitions {
            line(topic.topic.as_str(), partition);
        }
    }
}

fn live(body: &MetadataBody) -> String {
    ids(&body.live_brokers.iter().map(|broker| broker.id).collect::<Vec<_>>())
}

fn ids(list: &[BrokerId]) -> String {
    let list: Vec<String> = list.iter().map(ToString::to_string).collect();
    format!("[{}]", list.join(","))
}

fn answered(answer: &Answer) -> String {
    match answer {
        Answer::AlterPartition(Ok(altered)) => {
            let item = |a: &coordinator::controller::effect::AlteredPartition| match &a.result {
                Ok(now) => format!("{}: isr {} version {}", a.partition, ids(&now.isr), now.partition_epoch),
                Err(error) => format!("{}: {error}", a.partition),
            };
            format!("AlterPartition {}", altered.iter().map(item).collect::<Vec<_>>().join("; "))
        }
        other => format!("{other:?}"),
    }
}
