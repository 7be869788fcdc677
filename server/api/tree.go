package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// treeRoutes are what is seen of an application's objects.
func treeRoutes(ns string) []Route {
	return []Route{
		{"GET", ns + "/applications/{name}/tree", "get", "applications", "objects of an application and what came of them; watch=true: as server-sent events, whenever it changes", (*server).tree},
		{"GET", ns + "/applications/{name}/events", "get", "applications", "what happened to an application, the newest first: releases, pins, waits, drift", (*server).appEvents},
		{"GET", ns + "/applications/{name}/object", "get", "applications", "one object of it: live, desired, difference, events; group, kind, namespace, name", (*server).object},
	}
}

// TreeAnswer is the objects of an application.
type TreeAnswer struct {
	Items []apply.Node `json:"items"`
}

// EventsAnswer is what happened to an application.
type EventsAnswer struct {
	Items []apply.Event `json:"items"`
}

const (
	// treePause is the least time between two trees of a watch, treeBeat the longest: what
	// nobody tells of, such as an endpoint that follows its pod, is seen then.
	treePause = 500 * time.Millisecond
	treeBeat  = 10 * time.Second
	// mostTrees are watched at one time.
	mostTrees = 200
)

func (s *server) appEvents(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	events, err := s.Applications.Events(r.Context(), r.PathValue("ns"), name)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, EventsAnswer{events})
	return nil
}

func (s *server) tree(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	watch, err := boolOf(r.URL.Query().Get("watch"), "watch")
	if err != nil {
		return err
	}
	if watch != nil && *watch {
		return s.watchTree(w, r, name)
	}
	nodes, err := s.Applications.Tree(r.Context(), r.PathValue("ns"), name)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, TreeAnswer{nodes})
	return nil
}

// watchTree sends the tree as it is, and again when it differs. It ends when the application
// is gone.
func (s *server) watchTree(w http.ResponseWriter, r *http.Request, name string) error {
	if s.trees.Add(1) > mostTrees {
		s.trees.Add(-1)
		return refuse(http.StatusTooManyRequests, "ask without watch, or again later", "%d trees are watched at this time", mostTrees)
	}
	defer s.trees.Add(-1)
	ctx, ns := r.Context(), r.PathValue("ns")
	news := s.Applications.Follow(ctx, ns, name)
	nodes, err := s.Applications.Tree(ctx, ns, name)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	var last []byte
	for {
		b, err := json.Marshal(TreeAnswer{nodes})
		if err != nil {
			return err
		}
		text := ": still here\n\n"
		if !bytes.Equal(b, last) {
			last, text = b, fmt.Sprintf("data: %s\n\n", b)
		}
		if _, err := io.WriteString(w, text); err != nil {
			return nil
		}
		_ = rc.Flush()
		for {
			if !pause(ctx, news) {
				return nil
			}
			// A moment without an answer of the apiserver is not the end.
			if nodes, err = s.Applications.Tree(ctx, ns, name); err == nil {
				break
			}
			if apierrors.IsNotFound(err) || ctx.Err() != nil {
				return nil
			}
			s.log.Warn("tree", "namespace", ns, "application", name, "err", err)
		}
	}
}

// pause until there is news, but neither a shorter nor a longer time than it says above;
// false if it is over.
func pause(ctx context.Context, news <-chan struct{}) bool {
	least, beat := time.NewTimer(treePause), time.NewTimer(treeBeat)
	defer least.Stop()
	defer beat.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-least.C:
	}
	select {
	case <-ctx.Done():
		return false
	case <-news:
		// What belongs to one change comes within a moment.
		select {
		case <-ctx.Done():
			return false
		case <-time.After(treePause / 5):
		}
	case <-beat.C:
	}
	return true
}

func (s *server) object(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	ref := slipway.ObjectReference{Group: q.Get("group"), Kind: q.Get("kind"), Namespace: q.Get("namespace"), Name: q.Get("name")}
	if ref.Kind == "" || ref.Name == "" {
		return refuse(http.StatusBadRequest, "the tree lists the objects", "kind and name: name an object")
	}
	view, err := s.Applications.Look(r.Context(), r.PathValue("ns"), name, ref)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, view)
	return nil
}
