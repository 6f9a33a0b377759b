"""aiokafka as producer, consumer and group member; see ../README.md for the commands."""
import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener


def line(partition, offset, key, value):
    return f"{partition}\t{offset}\t{key.decode() if key is not None else '-'}\t{value.decode()}"


async def produce(bootstrap, topic, first, count, keyed):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    sent = []
    for n in range(first, first + count):
        key, value = f"k{n}".encode() if keyed else None, f"v{n}".encode()
        sent.append((await producer.send(topic, value, key), key, value))
    for future, key, value in sent:
        where = await future
        print(line(where.partition, where.offset, key, value))
    await producer.stop()


def consumer_of(bootstrap, group):
    return AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)


async def consume(bootstrap, topic, group, count):
    consumer = consumer_of(bootstrap, group)
    consumer.subscribe([topic])
    await consumer.start()
    for _ in range(count):
        r = await consumer.getone()
        print(line(r.partition, r.offset, r.key, r.value))
    await consumer.commit()
    await consumer.stop()


class Tell(ConsumerRebalanceListener):
    async def on_partitions_revoked(self, revoked):
        pass

    async def on_partitions_assigned(self, assigned):
        print("assigned\t" + ",".join(str(p) for p in sorted(t.partition for t in assigned)), flush=True)


async def member(bootstrap, topic, group):
    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.read)
    consumer = consumer_of(bootstrap, group)
    consumer.subscribe([topic], listener=Tell())
    await consumer.start()
    while not ended.done():
        for records in (await consumer.getmany(timeout_ms=100)).values():
            for r in records:
                print(line(r.partition, r.offset, r.key, r.value), flush=True)
    await consumer.commit()
    await consumer.stop()


if __name__ == "__main__":
    what, *a = sys.argv[1:]
    if what == "produce":
        asyncio.run(produce(a[0], a[1], int(a[2]), int(a[3]), a[4] == "keyed"))
    elif what == "consume":
        asyncio.run(consume(a[0], a[1], a[2], int(a[3])))
    else:
        asyncio.run(member(a[0], a[1], a[2]))
