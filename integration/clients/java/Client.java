// The Java client as producer, consumer and group member; see ../README.md for the commands.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Client {
    static String line(long partition, long offset, String key, String value) {
        return partition + "\t" + offset + "\t" + (key == null ? "-" : key) + "\t" + value;
    }

    static void produce(String bootstrap, String topic, int from, int count, boolean keyed) throws Exception {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("acks", "all");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = from; n < from + count; n++) {
                sent.add(producer.send(new ProducerRecord<>(topic, keyed ? "k" + n : null, "v" + n)));
            }
            for (int i = 0; i < count; i++) {
                RecordMetadata where = sent.get(i).get();
                System.out.println(line(where.partition(), where.offset(), keyed ? "k" + (from + i) : null, "v" + (from + i)));
            }
        }
    }

    static KafkaConsumer<String, String> consumer(String bootstrap, String group) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("group.id", group);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    static void consume(String bootstrap, String topic, String group, int count) {
        try (KafkaConsumer<String, String> consumer = consumer(bootstrap, group)) {
            consumer.subscribe(List.of(topic));
            for (int seen = 0; seen < count; ) {
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(500))) {
                    System.out.println(line(r.partition(), r.offset(), r.key(), r.value()));
                    seen++;
                }
            }
            consumer.commitSync();
        }
    }

    static void member(String bootstrap, String topic, String group) throws Exception {
        try (KafkaConsumer<String, String> consumer = consumer(bootstrap, group)) {
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}

                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    System.out.println("assigned\t" + partitions.stream().map(TopicPartition::partition).sorted().map(String::valueOf)
                        .collect(Collectors.joining(",")));
                }
            });
            Thread input = new Thread(() -> {
                try {
                    while (System.in.read() >= 0) { }
                } catch (java.io.IOException ended) { }
            });
            input.setDaemon(true);
            input.start();
            while (input.isAlive()) {
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(100))) {
                    System.out.println(line(r.partition(), r.offset(), r.key(), r.value()));
                }
            }
            consumer.commitSync();
        }
    }

    public static void main(String[] a) throws Exception {
        switch (a[0]) {
            case "produce" -> produce(a[1], a[2], Integer.parseInt(a[3]), Integer.parseInt(a[4]), a[5].equals("keyed"));
            case "consume" -> consume(a[1], a[2], a[3], Integer.parseInt(a[4]));
            default -> member(a[1], a[2], a[3]);
        }
    }
}
