package sops

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// object is a mapping whose order counts: the authentication code goes over the values
// as they stand in the file.
type object []*pair

type pair struct {
	key   string
	value any // object, *list, string, int, float64, bool, time.Time, []byte, comment or nil
}

// list is a pointer so that values can be replaced in place.
type list struct{ items []any }

// comment is a value that SOPS encrypted as one.
type comment string

// opener decrypts a tree in place and sums what it finds.
type opener struct {
	key     []byte
	meta    *metadata
	sum     hash.Hash
	secrets []string
}

func (o *opener) object(b object, at []string) error {
	for _, p := range b {
		v, err := o.node(p.value, append(at[:len(at):len(at)], p.key))
		if err != nil {
			return err
		}
		p.value = v
	}
	return nil
}

// node opens one value; items of a list have the path of the list.
func (o *opener) node(v any, at []string) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case object:
		return v, o.object(v, at)
	case *list:
		kept := v.items[:0]
		for _, item := range v.items {
			opened, err := o.node(item, at)
			if err != nil {
				return nil, err
			}
			if _, is := opened.(comment); !is {
				kept = append(kept, opened)
			}
		}
		v.items = kept
		return v, nil
	}
	return o.leaf(v, at)
}

func (o *opener) leaf(v any, at []string) (any, error) {
	text, isText := v.(string)
	encrypted := o.meta.encrypted(at, isText && encrypted.MatchString(text))
	if encrypted {
		if !isText {
			return nil, fmt.Errorf("%s: should be encrypted and is not", strings.Join(at, "."))
		}
		opened, err := o.value(text, strings.Join(at, ":")+":")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(at, "."), err)
		}
		v = opened
	}
	plain, err := toBytes(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(at, "."), err)
	}
	if _, is := v.(comment); !is && (encrypted || !o.meta.MACOnlyEncrypted) {
		o.sum.Write(plain)
	}
	if encrypted {
		o.secrets = append(o.secrets, string(plain))
	}
	return v, nil
}

var encrypted = regexp.MustCompile(`^ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:(.+)\]`)

// value opens one encrypted value, which is bound to its place in the file.
func (o *opener) value(text, place string) (any, error) {
	if text == "" {
		return "", nil
	}
	m := encrypted.FindStringSubmatch(text)
	if m == nil {
		return nil, errors.New("should be encrypted and is not")
	}
	var parts [3][]byte
	for i := range parts {
		var err error
		if parts[i], err = base64.StdEncoding.DecodeString(m[i+1]); err != nil {
			return nil, errors.New("its encryption is not base64")
		}
	}
	block, err := aes.NewCipher(o.key)
	if err != nil {
		return nil, err
	}
	if len(parts[1]) == 0 {
		return nil, errors.New("its encryption has no nonce")
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(parts[1]))
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, parts[1], append(parts[0], parts[2]...), []byte(place))
	if err != nil {
		return nil, errors.New("does not open: it was changed or moved after it was encrypted")
	}
	return typed(m[4], plain)
}

func typed(kind string, plain []byte) (any, error) {
	bad := fmt.Errorf("opens to what is no %s", kind)
	switch kind {
	case "str":
		return string(plain), nil
	case "bytes":
		return plain, nil
	case "comment":
		return comment(plain), nil
	case "int":
		if n, err := strconv.Atoi(string(plain)); err == nil {
			return n, nil
		}
	case "float":
		if n, err := strconv.ParseFloat(string(plain), 64); err == nil {
			return n, nil
		}
	case "bool":
		if b, err := strconv.ParseBool(string(plain)); err == nil {
			return b, nil
		}
	case "time":
		var t time.Time
		if t.UnmarshalText(plain) == nil {
			return t, nil
		}
	default:
		return nil, fmt.Errorf("has the unknown type %.20q", kind)
	}
	return nil, bad
}

// toBytes is the form in which values are summed.
func toBytes(v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return []byte(v), nil
	case []byte:
		return v, nil
	case comment:
		return []byte(v), nil
	case int:
		return []byte(strconv.Itoa(v)), nil
	case float64:
		return []byte(strconv.FormatFloat(v, 'f', -1, 64)), nil
	case bool:
		if v {
			return []byte("True"), nil
		}
		return []byte("False"), nil
	case time.Time:
		return v.MarshalText()
	}
	return nil, fmt.Errorf("a value of type %T is not supported", v)
}
