// sarama as producer, consumer and group member; see ../../README.md for the commands.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func line(partition int32, offset int64, key, value []byte) string {
	k := "-"
	if key != nil {
		k = string(key)
	}
	return fmt.Sprintf("%d\t%d\t%s\t%s", partition, offset, k, value)
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_3_1_0
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	return c
}

func produce(bootstrap, topic string, from, count int, keyed bool) {
	producer, err := sarama.NewSyncProducer(strings.Split(bootstrap, ","), config())
	check(err)
	messages := make([]*sarama.ProducerMessage, count)
	for i := range messages {
		n := from + i
		messages[i] = &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprintf("v%d", n))}
		if keyed {
			messages[i].Key = sarama.StringEncoder(fmt.Sprintf("k%d", n))
		}
	}
	check(producer.SendMessages(messages))
	for _, m := range messages {
		var key []byte
		if m.Key != nil {
			key, _ = m.Key.Encode()
		}
		value, _ := m.Value.Encode()
		fmt.Println(line(m.Partition, m.Offset, key, value))
	}
	check(producer.Close())
}

// handler reads claims; with want > 0 it stops the group after that many records.
type handler struct {
	want  int
	lines chan string
	stop  context.CancelFunc
	topic string
	tell  bool
}

func (h *handler) Setup(s sarama.ConsumerGroupSession) error {
	if h.tell {
		var list []int
		for _, p := range s.Claims()[h.topic] {
			list = append(list, int(p))
		}
		sort.Ints(list)
		text := make([]string, len(list))
		for i, p := range list {
			text[i] = strconv.Itoa(p)
		}
		fmt.Println("assigned\t" + strings.Join(text, ","))
	}
	return nil
}

func (h *handler) Cleanup(s sarama.ConsumerGroupSession) error {
	s.Commit()
	return nil
}

func (h *handler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			select {
			case h.lines <- line(m.Partition, m.Offset, m.Key, m.Value):
				s.MarkMessage(m, "")
			case <-s.Context().Done():
				return nil
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

func group(bootstrap, topic, name string, want int) {
	g, err := sarama.NewConsumerGroup(strings.Split(bootstrap, ","), name, config())
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	h := &handler{want: want, lines: make(chan string), stop: stop, topic: topic, tell: want == 0}
	if want == 0 {
		go func() {
			for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			}
			stop()
		}()
	}
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		for seen := 0; ; seen++ {
			if want > 0 && seen == want {
				stop()
				return
			}
			select {
			case text := <-h.lines:
				fmt.Println(text)
			case <-ctx.Done():
				return
			}
		}
	}()
	for ctx.Err() == nil {
		if err := g.Consume(ctx, []string{topic}, h); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(200 * time.Millisecond)
		}
	}
	<-printed
	check(g.Close())
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
		group(a[1], a[2], a[3], number(a[4]))
	case "member":
		group(a[1], a[2], a[3], 0)
	}
}
