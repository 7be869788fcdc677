package controlplane

import (
	"context"
	"fmt"

	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kcmoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	"slipway.dev/cluster/inprocess"
)

// controllerManagerFlags: no port of its own, since its metrics are in the process'
// and its health is the process'. The limits of the client are the API server's.
func controllerManagerFlags(c Config) []string {
	p := c.PKI
	return []string{
		"--secure-port=0",
		"--leader-elect=false",
		"--kubeconfig=" + p.ControllerManagerKubeconfig,
		"--authentication-kubeconfig=" + p.ControllerManagerKubeconfig,
		"--authorization-kubeconfig=" + p.ControllerManagerKubeconfig,
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + p.ServiceAccountKey,
		"--root-ca-file=" + p.CA,
		"--cluster-signing-cert-file=" + p.CA,
		"--cluster-signing-key-file=" + p.CAKey,
		"--allocate-node-cidrs=true",
		"--cluster-cidr=" + c.PodCIDR,
		"--service-cluster-ip-range=" + c.ServiceCIDR,
		"--cluster-name=slipway",
		"--controllers=*,-bootstrap-signer-controller,-token-cleaner-controller",
		"--terminated-pod-gc-threshold=2000",
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--profiling=false",
	}
}

// runControllerManager is its command, but that what it watches and asks in its own name,
// which is most of it, does not leave this process.
func runControllerManager(c Config, local *inprocess.Server) func(context.Context) error {
	return func(ctx context.Context) error {
		o, err := kcmoptions.NewKubeControllerManagerOptions()
		if err != nil {
			return err
		}
		known, disabled, aliases := kcm.KnownControllers(), kcm.ControllersDisabledByDefault(), kcm.ControllerAliases()
		if err := parse("kube-controller-manager", o.Flags(known, disabled, aliases), controllerManagerFlags(c)); err != nil {
			return err
		}
		config, err := o.Config(ctx, known, disabled, aliases)
		if err != nil {
			return err
		}
		if err := wrapped(config.Kubeconfig, local); err != nil {
			return err
		}
		return kcm.Run(ctx, config.Complete())
	}
}

func schedulerFlags(c Config) []string {
	p := c.PKI
	return []string{
		"--secure-port=0",
		"--leader-elect=false",
		"--kubeconfig=" + p.SchedulerKubeconfig,
		"--authentication-kubeconfig=" + p.SchedulerKubeconfig,
		"--authorization-kubeconfig=" + p.SchedulerKubeconfig,
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--profiling=false",
	}
}

func runScheduler(c Config) func(context.Context) error {
	return func(ctx context.Context) error {
		o := scheduleroptions.NewOptions()
		if err := parse("kube-scheduler", *o.Flags, schedulerFlags(c)); err != nil {
			return err
		}
		config, sched, err := scheduler.Setup(ctx, o)
		if err != nil {
			return err
		}
		err = scheduler.Run(ctx, config, sched)
		if ctx.Err() != nil {
			return nil // it always returns an error, also when it was told to stop
		}
		return fmt.Errorf("stopped by itself: %w", err)
	}
}
