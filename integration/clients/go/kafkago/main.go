// segmentio/kafka-go as producer, consumer and group member; see ../../README.md for the commands.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func show(m kafka.Message) string {
	key := "-"
	if m.Key != nil {
		key = string(m.Key)
	}
	return fmt.Sprintf("%d\t%d\t%s\t%s", m.Partition, m.Offset, key, m.Value)
}

func produce(bootstrap, topic string, from, count int, keyed bool) {
	var mu sync.Mutex
	acked := map[string]string{}
	writer := &kafka.Writer{
		Addr: kafka.TCP(strings.Split(bootstrap, ",")...), Topic: topic, RequiredAcks: kafka.RequireAll,
		Balancer: kafka.Murmur2Balancer{}, BatchTimeout: 10 * time.Millisecond,
		Completion: func(messages []kafka.Message, err error) {
			check(err)
			mu.Lock()
			defer mu.Unlock()
			for _, m := range messages {
				acked[string(m.Value)] = show(m)
			}
		},
	}
	messages := make([]kafka.Message, count)
	for i := range messages {
		n := from + i
		messages[i].Value = []byte(fmt.Sprintf("v%d", n))
		if keyed {
			messages[i].Key = []byte(fmt.Sprintf("k%d", n))
		}
	}
	check(writer.WriteMessages(context.Background(), messages...))
	check(writer.Close())
	for _, m := range messages {
		fmt.Println(acked[string(m.Value)])
	}
}

func consume(bootstrap, topic, group string, count int) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: strings.Split(bootstrap, ","), GroupID: group, Topic: topic,
		StartOffset: kafka.FirstOffset, MaxWait: 200 * time.Millisecond})
	ctx := context.Background()
	for seen := 0; seen < count; seen++ {
		m, err := reader.FetchMessage(ctx)
		check(err)
		fmt.Println(show(m))
		check(reader.CommitMessages(ctx, m))
	}
	check(reader.Close())
}

func member(bootstrap, topic, name string) {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{ID: name, Brokers: strings.Split(bootstrap, ","), Topics: []string{topic},
		StartOffset: kafka.FirstOffset, GroupBalancers: []kafka.GroupBalancer{kafka.RangeGroupBalancer{}}})
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		}
		stop()
	}()
	var mu sync.Mutex
	for {
		generation, err := group.Next(ctx)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, kafka.ErrGroupClosed) {
				break
			}
			check(err)
		}
		var list []int
		for _, a := range generation.Assignments[topic] {
			list = append(list, a.ID)
		}
		sort.Ints(list)
		text := make([]string, len(list))
		for i, p := range list {
			text[i] = strconv.Itoa(p)
		}
		fmt.Println("assigned\t" + strings.Join(text, ","))
		next := map[int]int64{}
		for _, a := range generation.Assignments[topic] {
			partition, offset := a.ID, a.Offset
			generation.Start(func(ctx context.Context) {
				reader := kafka.NewReader(kafka.ReaderConfig{Brokers: strings.Split(bootstrap, ","), Topic: topic, Partition: partition, MaxWait: 200 * time.Millisecond})
				defer reader.Close()
				_ = reader.SetOffset(offset)
				for {
					m, err := reader.ReadMessage(ctx)
					if err != nil {
						mu.Lock()
						at, ok := next[partition]
						mu.Unlock()
						if ok {
							_ = generation.CommitOffsets(map[string]map[int]int64{topic: {partition: at}})
						}
						return
					}
					fmt.Println(show(m))
					mu.Lock()
					next[partition] = m.Offset + 1
					mu.Unlock()
				}
			})
		}
	}
	check(group.Close())
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	check(err)
	return n
}

func main() {
	a := os.Args[1:]
	switch a[0] {
	case "produce":
		produce(a[1], a[2], number(a[3]), number(a[4]), a[5] == "keyed")
	case "consume":
		consume(a[1], a[2], a[3], number(a[4]))
	case "member":
		member(a[1], a[2], a[3])
	}
}
