// Question: what does Porcupine take for the histories that lincheck is measured with?
//
// Reads lincheck's JSON lines (registers with compare-and-set, or texts with put and append), and prints for
// each file the CPU time of the process on one thread: the least of -runs checks, reading not included.
// An operation of unknown outcome returns after everything else, as in Porcupine's own test data.
//
//	lincheck convert --to json-lines etcd_000.log etcd_000.jsonl
//	go mod tidy && go build -o compare . && ./compare -runs 11 -timeout 60s *.jsonl
//	cargo bench -p lincheck --bench files -- *.jsonl
//
// -whole checks texts without partitioning, all keys in one state.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"log"
	"maps"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/anishathalye/porcupine"
)

// event is a line of a history.
type event struct {
	Process int
	Type    string
	F       string
	Key     json.RawMessage
	Value   json.RawMessage
	Old     json.RawMessage
	Failed  bool
}

// call is what was asked of a key; values stay as they are written.
type call struct {
	f, key, value, from string
}

// answer is what came back.
type answer struct {
	unknown, failed, told bool
	value                 string
}

// absent is how a register is read before the first write.
const absent = "null"

func step(state, asked, answered any) (bool, any) {
	now, in, out := state.(string), asked.(call), answered.(answer)
	switch in.f {
	case "read", "get":
		return out.unknown || out.value == now, state
	case "write", "put":
		return true, in.value
	case "append":
		return true, now + in.value
	}
	if now == in.from {
		return out.unknown || !out.failed, in.value
	}
	return out.unknown || out.failed && (!out.told || out.value == now), state
}

func model(initial string) porcupine.Model {
	return porcupine.Model{
		PartitionEvent: func(history []porcupine.Event) [][]porcupine.Event {
			keys, of, parts := map[string]int{}, map[int]int{}, [][]porcupine.Event{}
			for _, one := range history {
				if one.Kind == porcupine.CallEvent {
					key := one.Value.(call).key
					if _, known := keys[key]; !known {
						keys[key] = len(parts)
						parts = append(parts, nil)
					}
					of[one.Id] = keys[key]
				}
				parts[of[one.Id]] = append(parts[of[one.Id]], one)
			}
			return parts
		},
		Init: func() any { return initial },
		Step: step,
		Hash: func(state any) uint64 { return hash("", state.(string)) },
	}
}

func hash(key, value string) uint64 {
	sum := fnv.New64a()
	sum.Write([]byte(key))
	sum.Write([]byte(value))
	return sum.Sum64()
}

// whole has all keys in one state, as the model without partitioning in Porcupine's tests.
func whole() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return map[string]string{} },
		Step: func(state, asked, answered any) (bool, any) {
			texts, key := state.(map[string]string), asked.(call).key
			legal, after := step(texts[key], asked, answered)
			if !legal || after == texts[key] {
				return legal, state
			}
			texts = maps.Clone(texts)
			texts[key] = after.(string)
			return true, texts
		},
		Equal: func(one, other any) bool {
			return maps.Equal(one.(map[string]string), other.(map[string]string))
		},
		Hash: func(state any) uint64 {
			sum := uint64(0)
			for key, text := range state.(map[string]string) {
				sum ^= hash(key, text)
			}
			return sum
		},
	}
}

// text is a value as the state holds it: texts without quotes, so that they can be appended.
func text(value json.RawMessage) string {
	var plain string
	if json.Unmarshal(value, &plain) == nil && len(value) > 0 && value[0] == '"' {
		return plain
	}
	if len(value) == 0 {
		return absent
	}
	return string(value)
}

// read reads a history; says whether it is one of texts.
func read(path string) (history []porcupine.Event, texts bool) {
	file, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	type open struct {
		id int
		f  string
	}
	opened, next := map[int]open{}, 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var it event
		if err := json.Unmarshal(lines.Bytes(), &it); err != nil {
			log.Fatalf("%s: %v", path, err)
		}
		switch it.Type {
		case "invoke":
			asked := call{f: it.F, key: text(it.Key), value: text(it.Value)}
			if it.F == "cas" {
				var pair [2]json.RawMessage
				if err := json.Unmarshal(it.Value, &pair); err != nil {
					log.Fatalf("%s: %v", path, err)
				}
				asked.from, asked.value = text(pair[0]), text(pair[1])
			}
			texts = texts || it.F == "get" || it.F == "append"
			history = append(history, porcupine.Event{
				ClientId: it.Process, Kind: porcupine.CallEvent, Value: asked, Id: next,
			})
			opened[it.Process] = open{next, it.F}
			next++
		case "ok":
			answered := answer{failed: it.Failed, value: text(it.Value)}
			if it.Failed && len(it.Old) > 0 {
				answered.told, answered.value = true, text(it.Old)
			}
			history = append(history, porcupine.Event{
				ClientId: it.Process, Kind: porcupine.ReturnEvent, Value: answered,
				Id: opened[it.Process].id,
			})
			delete(opened, it.Process)
		case "fail":
			// Nothing happened: as if it had not been asked.
			id := opened[it.Process].id
			kept := history[:0]
			for _, one := range history {
				if one.Id != id {
					kept = append(kept, one)
				}
			}
			history = kept
			delete(opened, it.Process)
		case "info":
			opened[-1-opened[it.Process].id] = opened[it.Process]
			delete(opened, it.Process)
		}
	}
	for process, one := range opened {
		history = append(history, porcupine.Event{
			ClientId: max(process, 0), Kind: porcupine.ReturnEvent, Value: answer{unknown: true},
			Id: one.id,
		})
	}
	return history, texts
}

func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func main() {
	runs := flag.Int("runs", 11, "checks of each file")
	timeout := flag.Duration("timeout", time.Minute, "for one check")
	asOne := flag.Bool("whole", false, "all keys in one state")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	sum, undecided := time.Duration(0), 0
	for _, path := range flag.Args() {
		history, texts := read(path)
		judge := model(absent)
		if texts {
			judge = model("")
		}
		if *asOne {
			judge = whole()
		}
		least, verdict := time.Duration(0), porcupine.Unknown
		for run := range *runs {
			runtime.GC()
			start := cpu()
			verdict = porcupine.CheckEventsTimeout(judge, history, *timeout)
			took := cpu() - start
			if run == 0 || took < least {
				least = took
			}
			if verdict == porcupine.Unknown {
				undecided++
				break
			}
		}
		sum += least
		fmt.Printf("%s: %d operations, %s, %.3f ms\n", path, len(history)/2, verdict, least.Seconds()*1e3)
	}
	fmt.Printf("%d files, %d undecided: %.3f ms\n", flag.NArg(), undecided, sum.Seconds()*1e3)
}
