// Reads frames from standard input, each after its length in four bytes. For each it prints a line with the reason why the types
// that consumers in Go use can't decode it; the line is empty if they can.
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

// payloads has a constructor of the payload's type for each type that a header can name.
var payloads = map[string]func() cbg.CBORUnmarshaler{
	"#commit":   func() cbg.CBORUnmarshaler { return new(atproto.SyncSubscribeRepos_Commit) },
	"#sync":     func() cbg.CBORUnmarshaler { return new(atproto.SyncSubscribeRepos_Sync) },
	"#identity": func() cbg.CBORUnmarshaler { return new(atproto.SyncSubscribeRepos_Identity) },
	"#account":  func() cbg.CBORUnmarshaler { return new(atproto.SyncSubscribeRepos_Account) },
}

// decode reads header and payload, which must be the whole frame.
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
