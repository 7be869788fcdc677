# make build   fetches, compiles and seeds everything; needs a network the first time only
# make demo    the whole story, on this machine; make down stops it and leaves nothing behind
# make test    every test; make soak what takes long; make race the race detector
# make bench   figures and ratios, about 30 minutes; make bench-large those of 5,000 applications and 10 million log lines
# make generate  deep copies and CRDs from cluster/api/v1alpha1
#
# Each step says what it does and how long it takes on a cold machine of two cores. A step
# whose inputs have not changed does nothing and touches no network.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

BUILD   := build
PAYLOAD := $(BUILD)/payload
SEED    := $(BUILD)/seed
TOOLS   := $(BUILD)/tools
STAMPS  := $(BUILD)/stamps

# One set of flags for all of Go, so that programs and tests share what is compiled.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false
export GOWORK := off

KUBERNETES := $(shell awk '$$1 == "k8s.io/kubernetes" { print $$2 }' go.mod)
COMMIT     := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
MAJOR      := $(word 1,$(subst ., ,$(KUBERNETES:v%=%)))
MINOR      := $(word 2,$(subst ., ,$(KUBERNETES:v%=%)))
version     = -X $(1).gitVersion=$(KUBERNETES) -X $(1).gitMajor=$(MAJOR) -X $(1).gitMinor=$(MINOR) \
	-X $(1).gitTreeState=clean -X $(1).gitCommit=$(COMMIT)
LDFLAGS    := -s -w $(call version,k8s.io/component-base/version) $(call version,k8s.io/client-go/pkg/version)

# Go files of this module that can be part of a program. Nested modules have their own rules.
sources = $(shell find $(1) -name node_modules -prune -o -path cluster/libexec -prune -o -path server/console/dist -prune -o \
	-type f ! -name '*_test.go' ! -path '*/testdata/*' -print 2>/dev/null | sed 's/ /\\ /g')

say = @printf '== %s\n'

.PHONY: build demo down test bench bench-large soak race generate clean packages libexec
.DEFAULT_GOAL := build

build: $(BUILD)/slipway $(SEED)/index.json

# --- what the machine needs -------------------------------------------------

PACKAGES := ansible-core busybox-static ca-certificates chromium gcc git iproute2 libc6-dev libcurl4 libseccomp-dev \
	make mmdebstrap nftables pkg-config python3 systemd util-linux
MISSING  := for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done

packages: $(STAMPS)/packages

$(STAMPS)/packages: Makefile
	@mkdir -p $(@D)
	@missing=$$($(MISSING)); if [ -n "$$missing" ]; then \
		echo "== installing packages with apt, about 2 minutes cold:" $$missing; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get install -y --no-install-recommends $$missing >$(BUILD)/apt.log 2>&1 || { \
			apt-get update >>$(BUILD)/apt.log 2>&1; \
			apt-get install -y --no-install-recommends $$missing >>$(BUILD)/apt.log 2>&1; } || { \
			tail -5 $(BUILD)/apt.log; echo "apt could not install $$missing; the whole log: build/apt.log"; exit 1; }; \
	fi
	@for c in go npm git; do command -v $$c >/dev/null || { \
		echo "$$c is not installed; Slipway needs Go 1.26 and Node 20 or newer to build"; exit 1; }; done
	@touch $@

# --- the daemons and what images are made of --------------------------------

libexec: $(STAMPS)/packages
	@$(MAKE) --no-print-directory -C cluster/libexec OUT=$(CURDIR)/$(PAYLOAD)

$(PAYLOAD)/pause: $(call sources,cluster/images/pause) | $(STAMPS)/packages
	$(say) "compiling pause"
	@go build -ldflags "-s -w" -o $@ ./cluster/images/pause

# The runner's list of files comes from Go itself, as it shares packages with the server.
$(PAYLOAD)/runner: go.mod go.sum $(call sources,pipelines cluster/api) | $(STAMPS)/packages
	$(say) "compiling the runner of jobs, about 40 seconds cold"
	@go build -tags disable_spire,disable_tls -ldflags "-s -w" -o $@ ./pipelines/engine/runner

$(PAYLOAD)/slipway-credential: go.mod go.sum $(call sources,registry/credential) | $(STAMPS)/packages
	$(say) "compiling the kubelet's credential provider"
	@go build -ldflags "-s -w" -o $@ ./registry/credential

$(PAYLOAD)/slipway-render: go.mod go.sum $(call sources,gitops/render) | $(STAMPS)/packages
	$(say) "compiling the child that renders, about 30 seconds cold"
	@go build -ldflags "-s -w" -o $@ ./gitops/render/child

$(PAYLOAD)/slipway-render-helm: go.mod go.sum $(call sources,gitops/render) | $(STAMPS)/packages
	$(say) "compiling the child that renders charts, about 1 minute cold"
	@go build -ldflags "-s -w" -o $@ ./gitops/render/helm/child

$(PAYLOAD)/cni/slipway-jobs: go.mod go.sum $(call sources,cluster/node cluster/netpol/arrival) | $(STAMPS)/packages
	$(say) "compiling the CNI plugin of jobs"
	@mkdir -p $(@D)
	@go build -ldflags "-s -w" -o $@ ./cluster/node/jobsplugin

$(PAYLOAD)/busybox: | $(STAMPS)/packages
	@mkdir -p $(@D)
	@install -m 755 $$(command -v busybox) $@

$(PAYLOAD)/busybox.applets: $(PAYLOAD)/busybox
	@$< --list > $@

$(TOOLS)/pack: $(call sources,cluster/payload) go.mod | $(STAMPS)/packages
	@go build -o $@ ./cluster/payload/pack

# Made again when one of its files is newer; libexec decides about its own.
$(BUILD)/payload.zip: $(TOOLS)/pack libexec $(PAYLOAD)/pause $(addprefix $(PAYLOAD)/,runner cni/slipway-jobs slipway-credential slipway-render slipway-render-helm busybox busybox.applets)
	@if [ ! -e $@ ] || [ -n "$$(find $(PAYLOAD) $(TOOLS)/pack -type f -newer $@ -print -quit)" ]; then \
		echo "== packing the daemons, about 5 seconds"; $(TOOLS)/pack archive $(PAYLOAD) $@; fi

# --- the console -------------------------------------------------------------

CONSOLE := $(if $(wildcard server/console/package.json),$(STAMPS)/console)
console_sources := $(shell find server/console -name node_modules -prune -o -name dist -prune -o -type f ! -name '*.go' -print 2>/dev/null)

$(STAMPS)/npm: server/console/package.json $(wildcard server/console/package-lock.json) | $(STAMPS)/packages
	$(say) "fetching what the console is built with, about 30 seconds cold"
	@cd server/console && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(STAMPS)/console: $(STAMPS)/npm $(console_sources)
	$(say) "building the console, about 10 seconds"
	@cd server/console && npm run --silent build
	@touch $@

# Other people's programs, which tests run against: clients of the log store, Debian's sshd.
clients: $(STAMPS)/clients $(TOOLS)/promtool $(TOOLS)/prometheus $(TOOLS)/sshd/usr/sbin/sshd $(TOOLS)/shippers/usr/sbin/rsyslogd

$(STAMPS)/clients: $(wildcard observability/elastic/clients/node/package*.json) | $(STAMPS)/packages
	@cd observability/elastic/clients/node && npm ci --no-audit --no-fund --loglevel=error --ignore-scripts
	@touch $@

# Of the linked Prometheus' version, without the discovery of clouds.
PROMETHEUS := observability/metrics/commands
$(TOOLS)/promtool $(TOOLS)/prometheus &: $(PROMETHEUS)/go.mod $(PROMETHEUS)/go.sum | $(STAMPS)/packages
	$(say) "compiling promtool and Prometheus, about 1 minute"
	@cd $(PROMETHEUS) && go build -tags remove_all_sd -ldflags "-s -w" -o $(CURDIR)/$(TOOLS)/ github.com/prometheus/prometheus/cmd/promtool github.com/prometheus/prometheus/cmd/prometheus

# Unpacked, not installed: no daemon starts on this machine.
unpack = rm -rf $(TOOLS)/$(1) && mkdir -p $(TOOLS)/$(1)/packages && cd $(TOOLS)/$(1)/packages && \
		for try in 1 2; do apt-get download -q $(2) >log 2>&1 && break; \
			[ $$try = 1 ] && apt-get update >log 2>&1 || { tail -3 log; exit 1; }; done && \
		for p in *.deb; do dpkg-deb -x $$p ..; done

$(TOOLS)/sshd/usr/sbin/sshd: | $(STAMPS)/packages
	@$(call unpack,sshd,openssh-server libwrap0 libnsl2 libtirpc3)

$(TOOLS)/shippers/usr/sbin/rsyslogd: | $(STAMPS)/packages
	@$(call unpack,shippers,rsyslog rsyslog-elasticsearch libestr0 libfastjson4 liblognorm5 \
		python3-elasticsearch python3-urllib3 python3-certifi python3-six)

# --- the program --------------------------------------------------------------

$(BUILD)/slipway.bare: go.mod go.sum Makefile $(CONSOLE) \
		$(call sources,server cluster gitops observability pipelines registry ansible examples) | $(STAMPS)/packages
	$(say) "compiling Kubernetes, Tekton, Prometheus and Slipway: about 15 minutes cold, 1 minute warm"
	@go build -ldflags "$(LDFLAGS)" -o $@ ./server

$(BUILD)/slipway: $(BUILD)/slipway.bare $(BUILD)/payload.zip
	@if [ ! -e $@ ] || [ $< -nt $@ ] || [ $(BUILD)/payload.zip -nt $@ ]; then \
		$(TOOLS)/pack append $< $(BUILD)/payload.zip $@; \
		echo "== build/slipway is ready ($$(du -h $@ | cut -f1))"; fi

# --- base images ----------------------------------------------------------------

$(TOOLS)/mkseed: $(call sources,cluster/images cluster/payload) go.mod | $(STAMPS)/packages
	@go build -o $@ ./cluster/images/seed/mkseed

$(BUILD)/bookworm.tar: cluster/images/seed/debian.sh | $(STAMPS)/packages
	$(say) "making a Debian base image, about 30 seconds and 60 MB from the network"
	@bash $< $@

GOCACHED := $(BUILD)/gocache/$(shell go env GOVERSION 2>/dev/null)

$(GOCACHED): cluster/images/seed/gocache.sh | $(STAMPS)/packages
	$(say) "compiling the standard library for the golang image, about 80 seconds"
	@bash $< "$$(go env GOROOT)" $(@D)
	@touch $@

$(SEED)/index.json: $(TOOLS)/mkseed $(BUILD)/bookworm.tar $(PAYLOAD)/busybox.applets $(GOCACHED)
	$(say) "assembling base images: toolbox, debian, golang, about 30 seconds"
	@$(TOOLS)/mkseed -payload $(PAYLOAD) -debian $(BUILD)/bookworm.tar -goroot "$$(go env GOROOT)" -gocache $(BUILD)/gocache/cache -out $(SEED)

# --- what people do with it -------------------------------------------------------

demo: build
	@./build/slipway demo --server-arg=--seeds=$(CURDIR)/build/seed

down:
	@if [ -x build/slipway ]; then ./build/slipway reset --data; else echo "nothing to stop: build/slipway does not exist"; fi

test: build clients
	@bash .ci/test

$(TOOLS)/tekton-entrypoint: go.mod go.sum | $(STAMPS)/packages
	$(say) "compiling Tekton's own entrypoint, to compare with, about 1 minute cold"
	@go build -ldflags "-s -w" -o $@ github.com/tektoncd/pipeline/cmd/entrypoint

# The commands that render elsewhere, as their authors build them.
COMMANDS := server/bench/commands
$(TOOLS)/helm $(TOOLS)/kustomize &: $(COMMANDS)/go.mod $(COMMANDS)/go.sum | $(STAMPS)/packages
	$(say) "compiling helm and kustomize, to compare with, about 1 minute cold"
	@cd $(COMMANDS) && go build -ldflags "-s -w" -o $(CURDIR)/$(TOOLS)/helm helm.sh/helm/v4/cmd/helm
	@cd $(COMMANDS) && go build -ldflags "-s -w" -o $(CURDIR)/$(TOOLS)/kustomize sigs.k8s.io/kustomize/kustomize/v5

bench: build $(TOOLS)/tekton-entrypoint $(TOOLS)/helm $(TOOLS)/kustomize
	@./build/slipway bench --json $(BUILD)/bench.json

# The largest fleet takes as long as all the rest.
bench-large: build
	@./build/slipway bench --only "many applications" --applications 1000,5000 --json $(BUILD)/bench-large.json
	@./build/slipway bench --only "log lines" --lines 10000000 --json $(BUILD)/bench-lines.json

soak: build
	@SLIPWAY_SOAK=1 go test -count=1 -timeout 20m -run 'TestHooksOfThousandsAtOnce' -v ./gitops/release
	@SLIPWAY_SOAK=1 go test -count=1 -timeout 60m -run 'TestMirrorOfALargeRepository' -v ./gitops/git
	@SLIPWAY_E2E_SOAK=1 go test -count=1 -timeout 60m -run 'TestManyJobs|TestKilledAtEachStep|TestKilledDuringPush' -v ./server/e2e
	@./build/slipway bench --soak

# Small packages with goroutines of their own; the race detector needs C.
RACE := ./cluster/payload/... ./registry/... ./cluster/supervise/... ./cluster/authz/... ./pipelines/plan/... ./pipelines/gitlab/... ./pipelines/joblog/... ./gitops/hook/... ./observability/logs/...
race: packages
	@CGO_ENABLED=1 go test -race $(RACE)

CONTROLLER_GEN := sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0
generate:
	@go run $(CONTROLLER_GEN) object paths=./cluster/api/v1alpha1
	@go run $(CONTROLLER_GEN) crd paths=./cluster/api/v1alpha1 output:crd:dir=cluster/api/crds
	@go generate ./cluster/api/crds

# What was fetched (modules, npm, packages) stays.
clean:
	@rm -rf $(BUILD)
