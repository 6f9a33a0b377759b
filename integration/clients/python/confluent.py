"""confluent-kafka (librdkafka) as producer, consumer and group member; see ../README.md for the commands."""
import sys
import threading

from confluent_kafka import Consumer, KafkaException, Producer


def line(message):
    key = message.key()
    return f"{message.partition()}\t{message.offset()}\t{key.decode() if key is not None else '-'}\t{message.value().decode()}"


def produce(bootstrap, topic, first, count, keyed):
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "partitioner": "murmur2_random"})
    acked = {}

    def done(error, message):
        if error is not None:
            raise KafkaException(error)
        acked[message.value().decode()] = line(message)

    for n in range(first, first + count):
        producer.produce(topic, f"v{n}", f"k{n}" if keyed else None, on_delivery=done)
    producer.flush(60)
    for n in range(first, first + count):
        print(acked[f"v{n}"])


def group_config(bootstrap, group):
    return {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "partition.assignment.strategy": "range"}


def consume(bootstrap, topic, group, count):
    consumer = Consumer(group_config(bootstrap, group))
    consumer.subscribe([topic])
    seen = 0
    while seen < count:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        print(line(message))
        consumer.commit(message, asynchronous=False)
        seen += 1
    consumer.close()


def member(bootstrap, topic, group):
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    consumer = Consumer(group_config(bootstrap, group))
    consumer.subscribe([topic], on_assign=lambda _, partitions: print("assigned\t" + ",".join(str(p) for p in sorted(t.partition for t in partitions)), flush=True))
    while not stop.is_set():
        message = consumer.poll(0.1)
        if message is not None and not message.error():
            print(line(message), flush=True)
            consumer.commit(message, asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    what, *a = sys.argv[1:]
    if what == "produce":
        produce(a[0], a[1], int(a[2]), int(a[3]), a[4] == "keyed")
    elif what == "consume":
        consume(a[0], a[1], a[2], int(a[3]))
    else:
        member(a[0], a[1], a[2])
