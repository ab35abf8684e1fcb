// Reads frames from the standard input, each behind its length in four bytes, and says of each on a line of its own why the
// types that consumers in Go use can't decode it; an empty line where they can.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/bluesky-social/indigo/api/atproto"
	cbg "github.com/whyrusleeping/cbor-gen"
)

func main() {
	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		var length uint32
		if err := binary.Read(in, binary.BigEndian, &length); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		frame := make([]byte, length)
		if _, err := io.ReadFull(in, frame); err != nil {
			log.Fatal(err)
		}
		verdict := ""
		if err := decode(bytes.NewReader(frame)); err != nil {
			verdict = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Fprintln(out, verdict)
	}
}

// payloads makes the type of a message's payload, by the type that the header names.
var payloads = map[string]func() cbg.CBORUnmarshaler{
	"#commit":   func() cbg.CBORUnmarshaler { return new(atproto.SyncSubscribeRepos_Commit) },
	"#sync":     func() cbg.CBORUnmarshaler { return new(atproto.SyncSubscribeRepos_Sync) },
	"#identity": func() cbg.CBORUnmarshaler { return new(atproto.SyncSubscribeRepos_Identity) },
	"#account":  func() cbg.CBORUnmarshaler { return new(atproto.SyncSubscribeRepos_Account) },
}

// decode reads header and payload, which have to be the whole frame.
func decode(frame *bytes.Reader) error {
	var header cbg.Deferred
	if err := header.UnmarshalCBOR(frame); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	for name, payload := range payloads {
		if !bytes.Contains(header.Raw, []byte(name)) {
			continue
		}
		if err := payload().UnmarshalCBOR(frame); err != nil {
			return fmt.Errorf("payload: %w", err)
		}
		if frame.Len() > 0 {
			return fmt.Errorf("%d bytes after the payload", frame.Len())
		}
		return nil
	}
	return errors.New("header: it names no type of message")
}
