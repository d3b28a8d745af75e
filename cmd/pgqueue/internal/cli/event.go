package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/lightpgq/pgqueue"
)

// eventOut is an event as consume prints it, in one line.
type eventOut struct {
	ID     int64     `json:"id"`
	Time   time.Time `json:"time"`
	TxID   int64     `json:"txid"`
	Retry  int       `json:"retry"`
	Type   *string   `json:"type"`
	Data   *string   `json:"data"`
	Extra1 string    `json:"extra1,omitempty"`
	Extra2 string    `json:"extra2,omitempty"`
	Extra3 string    `json:"extra3,omitempty"`
	Extra4 string    `json:"extra4,omitempty"`
}

func newEventOut(ev pgqueue.Event) eventOut {
	out := eventOut{
		ID: ev.ID, Time: ev.Time.UTC(), TxID: ev.TxID, Retry: ev.Retry,
		Extra1: ev.Extra1, Extra2: ev.Extra2, Extra3: ev.Extra3, Extra4: ev.Extra4,
	}
	if ev.Type != "" {
		out.Type = &ev.Type
	}
	if ev.Data != nil {
		data := string(ev.Data)
		out.Data = &data
	}
	return out
}

// eventIn is an event as insert reads it. nil: not said.
type eventIn struct {
	Type   *string         `json:"type"`
	Data   json.RawMessage `json:"data"`
	Extra1 *string         `json:"extra1"`
	Extra2 *string         `json:"extra2"`
	Extra3 *string         `json:"extra3"`
	Extra4 *string         `json:"extra4"`

	// What consume prints besides. The server gives them anew.
	ID, Time, TxID, Retry json.RawMessage
}

// eventFields are the fields that make an event of a JSON object.
var eventFields = []string{"type", "data", "extra1", "extra2", "extra3", "extra4"}

// formatOf tells events in JSON from lines that are data.
func formatOf(line []byte) string {
	line = bytes.TrimSpace(bytes.TrimPrefix(line, bom))
	if !bytes.HasPrefix(line, []byte("{")) {
		return formatLines
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(line, &object) != nil {
		return formatJSON // so that it is refused, with its line
	}
	for _, field := range eventFields {
		if _, ok := object[field]; ok {
			return formatJSON
		}
	}
	return formatLines
}

// bom is what some editors begin a UTF-8 file with.
var bom = []byte("\xef\xbb\xbf")

// parseEvent reads an event in JSON. What it does not say stays in ev as it is.
func parseEvent(line []byte, ev *pgqueue.Event) error {
	line = bytes.TrimPrefix(line, bom)
	if err := storable(line); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	in := &eventIn{}
	err := dec.Decode(&in)
	switch {
	case err != nil:
		return jsonError(err)
	case in == nil:
		return errors.New("null, not a JSON object")
	case hasLoneSurrogate(line):
		return errors.New(`a \ud800 to \udfff without its other half is no character`)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON object")
	}
	for _, field := range []struct {
		from *string
		to   *string
	}{{in.Type, &ev.Type}, {in.Extra1, &ev.Extra1}, {in.Extra2, &ev.Extra2}, {in.Extra3, &ev.Extra3}, {in.Extra4, &ev.Extra4}} {
		if field.from != nil {
			*field.to = *field.from
			if err := storable([]byte(*field.from)); err != nil {
				return err
			}
		}
	}
	if ev.Data, err = dataOf(in.Data); err != nil {
		return err
	}
	return storable(ev.Data)
}

// dataOf returns an event's data: a text as itself, anything else as its JSON text.
func dataOf(value json.RawMessage) ([]byte, error) {
	if len(value) == 0 || string(value) == "null" {
		return nil, nil
	}
	if value[0] != '"' {
		return value, nil
	}
	var text string
	err := json.Unmarshal(value, &text)
	return []byte(text), err
}

// jsonError says in one's own words what is wrong with a line.
func jsonError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("broken JSON: it ends too early")
	case errors.As(err, &syntax):
		return fmt.Errorf("broken JSON at byte %d: %w", syntax.Offset, err)
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("a JSON %s, not an object", kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("%q is a JSON %s, not text", kind.Field, kind.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: ")) // an unknown field
}

// hasLoneSurrogate finds an escape like \ud800 that is not half of a pair: the decoder
// would replace it silently. line is valid JSON.
func hasLoneSurrogate(line []byte) bool {
	for {
		i := bytes.IndexByte(line, '\\')
		if i < 0 {
			return false
		}
		line = line[i:]
		r := escaped(line)
		switch {
		case r < 0xd800 || r > 0xdfff:
			line = line[2:] // also over an escaped backslash
		case r < 0xdc00 && escaped(line[6:]) >= 0xdc00 && escaped(line[6:]) <= 0xdfff:
			line = line[12:]
		default:
			return true
		}
	}
}

// escaped is the number of a \uXXXX at the beginning of text, else -1.
func escaped(text []byte) int64 {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseInt(string(text[2:6]), 16, 32)
	if err != nil {
		return -1
	}
	return n
}
