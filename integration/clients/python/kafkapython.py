"""kafka-python as producer, consumer and group member; see ../README.md for the commands."""
import sys
import threading

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer


def line(partition, offset, key, value):
    return f"{partition}\t{offset}\t{key.decode() if key is not None else '-'}\t{value.decode()}"


def produce(bootstrap, topic, first, count, keyed):
    producer = KafkaProducer(bootstrap_servers=bootstrap.split(","), acks="all")
    sent = []
    for n in range(first, first + count):
        key, value = f"k{n}".encode() if keyed else None, f"v{n}".encode()
        sent.append((producer.send(topic, value, key), key, value))
    for future, key, value in sent:
        where = future.get(60)
        print(line(where.partition, where.offset, key, value))
    producer.close()


def consumer_of(bootstrap, group):
    return KafkaConsumer(bootstrap_servers=bootstrap.split(","), group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)


def consume(bootstrap, topic, group, count):
    consumer = consumer_of(bootstrap, group)
    consumer.subscribe([topic])
    seen = 0
    while seen < count:
        for records in consumer.poll(500, max_records=count - seen).values():
            for r in records:
                print(line(r.partition, r.offset, r.key, r.value))
                seen += 1
    consumer.commit()
    consumer.close()


class Tell(ConsumerRebalanceListener):
    def on_partitions_revoked(self, revoked):
        pass

    def on_partitions_assigned(self, assigned):
        print("assigned\t" + ",".join(str(p) for p in sorted(t.partition for t in assigned)), flush=True)


def member(bootstrap, topic, group):
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    consumer = consumer_of(bootstrap, group)
    consumer.subscribe([topic], listener=Tell())
    while not stop.is_set():
        for records in consumer.poll(100).values():
            for r in records:
                print(line(r.partition, r.offset, r.key, r.value), flush=True)
    consumer.commit()
    consumer.close()


if __name__ == "__main__":
    what, *a = sys.argv[1:]
    if what == "produce":
        produce(a[0], a[1], int(a[2]), int(a[3]), a[4] == "keyed")
    elif what == "consume":
        consume(a[0], a[1], a[2], int(a[3]))
    else:
        member(a[0], a[1], a[2])
