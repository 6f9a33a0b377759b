// franz-go as producer, consumer and group member; see ../../README.md for the commands.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func show(r *kgo.Record) string {
	key := "-"
	if r.Key != nil {
		key = string(r.Key)
	}
	return fmt.Sprintf("%d\t%d\t%s\t%s", r.Partition, r.Offset, key, r.Value)
}

func produce(bootstrap, topic string, from, count int, keyed bool) {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.RequiredAcks(kgo.AllISRAcks()))
	check(err)
	defer client.Close()
	records := make([]*kgo.Record, count)
	for i := range records {
		n := from + i
		records[i] = &kgo.Record{Topic: topic, Value: []byte(fmt.Sprintf("v%d", n))}
		if keyed {
			records[i].Key = []byte(fmt.Sprintf("k%d", n))
		}
	}
	check(client.ProduceSync(context.Background(), records...).FirstErr())
	for _, r := range records {
		fmt.Println(show(r))
	}
}

func consume(bootstrap, topic, group string, count int) {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	check(err)
	defer client.Close()
	ctx := context.Background()
	for seen := 0; seen < count; {
		fetches := client.PollRecords(ctx, count-seen)
		check(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) { fmt.Println(show(r)); seen++ })
	}
	check(client.CommitUncommittedOffsets(ctx))
	client.LeaveGroup()
}

func member(bootstrap, topic, group string) {
	var mu sync.Mutex
	mine := map[int32]bool{}
	say := func() {
		var list []int
		for p := range mine {
			list = append(list, int(p))
		}
		sort.Ints(list)
		text := make([]string, len(list))
		for i, p := range list {
			text[i] = strconv.Itoa(p)
		}
		fmt.Println("assigned\t" + strings.Join(text, ","))
	}
	change := func(now bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			mu.Lock()
			defer mu.Unlock()
			for _, p := range partitions[topic] {
				if now {
					mine[p] = true
				} else {
					delete(mine, p)
				}
			}
			if now {
				say()
			}
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.Balancers(kgo.RangeBalancer()),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)))
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		}
		stop()
	}()
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { fmt.Println(show(r)) })
	}
	check(client.CommitUncommittedOffsets(context.Background()))
	client.LeaveGroup()
	client.Close()
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
