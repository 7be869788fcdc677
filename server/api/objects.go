package api

import (
	"net/http"
	"sort"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/git"
	"slipway.dev/pipelines/schedule"
)

// kind makes empty objects of one of our kinds.
type kind struct {
	name   string
	object func() client.Object
	list   func() client.ObjectList
}

var (
	repositories = kind{"Repository", func() client.Object { return &slipway.Repository{} }, func() client.ObjectList { return &slipway.RepositoryList{} }}
	runs         = kind{"Run", func() client.Object { return &slipway.Run{} }, func() client.ObjectList { return &slipway.RunList{} }}
	applications = kind{"Application", func() client.Object { return &slipway.Application{} }, func() client.ObjectList { return &slipway.ApplicationList{} }}
	schedules    = kind{"Schedule", func() client.Object { return &slipway.Schedule{} }, func() client.ObjectList { return &slipway.ScheduleList{} }}
	environments = kind{"Environment", func() client.Object { return &slipway.Environment{} }, func() client.ObjectList { return &slipway.EnvironmentList{} }}
	appsets      = kind{"ApplicationSet", func() client.Object { return &slipway.ApplicationSet{} }, func() client.ObjectList { return &slipway.ApplicationSetList{} }}
	promotions   = kind{"Promotion", func() client.Object { return &slipway.Promotion{} }, func() client.ObjectList { return &slipway.PromotionList{} }}
	releases     = kind{"Release", func() client.Object { return &slipway.Release{} }, func() client.ObjectList { return &slipway.ReleaseList{} }}
)

type handler = func(*server, http.ResponseWriter, *http.Request) error

func get(k kind) handler {
	return func(s *server, w http.ResponseWriter, r *http.Request) error {
		o := k.object()
		if err := s.read(r, o); err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, present(k, o))
		return nil
	}
}

func list(k kind) handler {
	return func(s *server, w http.ResponseWriter, r *http.Request) error {
		l := k.list()
		opts := []client.ListOption{client.InNamespace(r.PathValue("ns"))}
		if repo := r.URL.Query().Get("repository"); repo != "" {
			opts = append(opts, client.MatchingLabels{slipway.LabelRepository: repo})
		}
		if err := s.Reader.List(r.Context(), l, opts...); err != nil {
			return err
		}
		l.GetObjectKind().SetGroupVersionKind(slipway.GroupVersion.WithKind(k.name + "List"))
		writeJSON(w, http.StatusOK, l)
		return nil
	}
}

func del(k kind) handler {
	return func(s *server, w http.ResponseWriter, r *http.Request) error {
		o := k.object()
		if err := s.read(r, o); err != nil {
			return err
		}
		if err := s.Writer.Delete(r.Context(), o); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// read fills o with the object that the path names.
func (s *server) read(r *http.Request, o client.Object) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	return s.Reader.Get(r.Context(), client.ObjectKey{Namespace: r.PathValue("ns"), Name: name}, o)
}

// present sets what a cached object lacks and drops what nobody reads.
func present(k kind, o client.Object) client.Object {
	o.GetObjectKind().SetGroupVersionKind(slipway.GroupVersion.WithKind(k.name))
	o.SetManagedFields(nil)
	return o
}

func (s *server) createRepository(w http.ResponseWriter, r *http.Request) error {
	return s.create(repositories, &slipway.Repository{}, w, r)
}

func (s *server) createApplication(w http.ResponseWriter, r *http.Request) error {
	return s.create(applications, &slipway.Application{}, w, r)
}

func (s *server) create(k kind, o client.Object, w http.ResponseWriter, r *http.Request) error {
	if err := readJSON(w, r, o); err != nil {
		return err
	}
	if ns := o.GetNamespace(); ns != "" && ns != r.PathValue("ns") {
		return refuse(http.StatusBadRequest, "leave metadata.namespace out", "metadata.namespace %q is not that of the path", ns)
	}
	// Owners, finalizers and status are the server's to write.
	meta := metav1.ObjectMeta{Name: o.GetName(), Namespace: r.PathValue("ns"), Labels: o.GetLabels(), Annotations: o.GetAnnotations()}
	switch o := o.(type) {
	case *slipway.Repository:
		o.ObjectMeta, o.Status = meta, slipway.RepositoryStatus{}
		if err := git.ValidName(o.Name); err != nil {
			return refuse(http.StatusBadRequest, "", "%v", err)
		}
		if o.Spec.URL != "" {
			if _, err := (git.Remote{}).ParseURL(o.Spec.URL); err != nil {
				return refuse(http.StatusBadRequest, "", "repository %s: %v", o.Name, err)
			}
		}
	case *slipway.Application:
		o.ObjectMeta, o.Status = meta, slipway.ApplicationStatus{}
		if err := apply.Validate(&o.Spec); err != nil {
			return refuse(http.StatusBadRequest, "", "%v", err)
		}
		if err := s.checkApplication(r, o); err != nil {
			return err
		}
	case *slipway.ApplicationSet:
		o.ObjectMeta, o.Status = meta, slipway.ApplicationSetStatus{}
		if err := s.checkApplicationSet(r, o); err != nil {
			return err
		}
	case *slipway.Schedule:
		o.ObjectMeta, o.Status = meta, slipway.ScheduleStatus{}
		u, _ := UserFrom(r.Context())
		o.Spec.By = u.Name
		o.Labels = withLabel(o.Labels, slipway.LabelRepository, o.Spec.Repository)
		if err := schedule.Check(o); err != nil {
			return refuse(http.StatusBadRequest, "", "%v", err)
		}
	}
	if err := s.Writer.Create(r.Context(), o); err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, present(k, o))
	return nil
}

func (s *server) releases(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	var l slipway.ReleaseList
	err = s.Reader.List(r.Context(), &l, client.InNamespace(r.PathValue("ns")), client.MatchingLabels{slipway.LabelApplication: name})
	if err != nil {
		return err
	}
	sort.Slice(l.Items, func(i, j int) bool { return l.Items[i].Spec.Number > l.Items[j].Spec.Number })
	l.GetObjectKind().SetGroupVersionKind(slipway.GroupVersion.WithKind("ReleaseList"))
	writeJSON(w, http.StatusOK, &l)
	return nil
}
