package config

import (
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	logsapi "k8s.io/component-base/logs/api/v1"
	kubeletcredential "k8s.io/kubelet/config/v1"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/disk"
)

func marshal(v any) (string, error) {
	text, err := yaml.Marshal(v)
	return string(text), err
}

func (n Node) kubelet() (string, error) {
	pki := func(name string) string { return n.PKI() + "/" + name }
	c := kubelet.KubeletConfiguration{
		TypeMeta:           metav1.TypeMeta{APIVersion: "kubelet.config.k8s.io/v1beta1", Kind: "KubeletConfiguration"},
		Address:            "0.0.0.0",
		Port:               int32(n.KubeletPort),
		ReadOnlyPort:       0,
		HealthzBindAddress: "127.0.0.1",
		HealthzPort:        ptr.To(int32(n.HealthPort)),
		TLSCertFile:        pki("kubelet-serving.crt"),
		TLSPrivateKeyFile:  pki("kubelet-serving.key"),
		TLSMinVersion:      "VersionTLS12",

		ContainerRuntimeEndpoint: "unix://" + n.ContainerdSocket(),
		PodLogsDir:               n.PodLogs(),
		VolumePluginDir:          n.Layout.Kubelet() + "/volume-plugins",
		ClusterDNS:               []string{n.ClusterDNS},
		ClusterDomain:            n.ClusterDomain,
		ResolverConfig:           ptr.To(n.ResolvConf),

		CgroupDriver:           "cgroupfs",
		CgroupRoot:             "/" + n.CgroupName(),
		CgroupsPerQOS:          ptr.To(true),
		EnforceNodeAllocatable: []string{"none"},
		FailCgroupV1:           ptr.To(false),
		FailSwapOn:             ptr.To(false),
		OOMScoreAdj:            ptr.To(int32(0)),
		SeccompDefault:         ptr.To(true),
		PodPidsLimit:           ptr.To(int64(16384)),
		MaxPods:                250,

		SerializeImagePulls:       ptr.To(false),
		MaxParallelImagePulls:     ptr.To(int32(4)),
		RegistryPullQPS:           ptr.To(int32(0)),
		KubeAPIQPS:                ptr.To(int32(200)),
		KubeAPIBurst:              400,
		EventRecordQPS:            ptr.To(int32(100)),
		EventBurst:                200,
		NodeStatusUpdateFrequency: metav1.Duration{Duration: 10 * time.Second},
		NodeStatusReportFrequency: metav1.Duration{Duration: 5 * time.Minute},

		// An image is for a pod that could have pulled it, or that pulls it now. What the kubelet
		// has no record of is not taken for preloaded: it drops the records of images in use
		// when it collects others, and would give them to every pod. Slipway's own are for all.
		ImagePullCredentialsVerificationPolicy: kubelet.NeverVerifyAllowlistedImages,
		PreloadedImagesVerificationAllowlist:   []string{Registry + "/system/*"},

		ImageGCHighThresholdPercent: ptr.To(int32(85)),
		ImageGCLowThresholdPercent:  ptr.To(int32(80)),
		ImageMinimumGCAge:           metav1.Duration{Duration: 10 * time.Minute},
		EvictionHard: map[string]string{
			"memory.available": "100Mi",
			// The last thing that happens as a disk fills, and no part of a large disk.
			"nodefs.available":  strconv.Itoa(disk.Evict),
			"nodefs.inodesFree": "2%",
			"imagefs.available": strconv.Itoa(disk.Evict),
		},
		// A reader that follows loses what is rotated away before it has read it: a job's
		// log, of at most 128 MiB, stays in one file.
		ContainerLogMaxSize:  "160Mi",
		ContainerLogMaxFiles: ptr.To(int32(2)),

		EnableSystemLogHandler:        ptr.To(false),
		EnableProfilingHandler:        ptr.To(false),
		EnableDebugFlagsHandler:       ptr.To(false),
		ShutdownGracePeriod:           metav1.Duration{},
		FeatureGates:                  map[string]bool{"EventedPLEG": !n.UpstreamDefaults},
		Logging:                       logsapi.LoggingConfiguration{Format: "text"},
		LocalStorageCapacityIsolation: ptr.To(true),
	}
	if n.UpstreamDefaults {
		c.KubeAPIQPS, c.KubeAPIBurst = ptr.To(int32(50)), 100
		c.EventRecordQPS, c.EventBurst = ptr.To(int32(50)), 100
		c.SerializeImagePulls, c.MaxParallelImagePulls = ptr.To(true), nil
	}
	c.Authentication.Anonymous.Enabled = ptr.To(false)
	c.Authentication.Webhook.Enabled = ptr.To(true)
	c.Authentication.X509.ClientCAFile = pki("ca.crt")
	c.Authorization.Mode = kubelet.KubeletAuthorizationModeWebhook
	return marshal(c)
}

// credentialProvider lets each pod pull with its own service account, and no pod
// with another's.
func (n Node) credentialProvider() (string, error) {
	return marshal(kubeletcredential.CredentialProviderConfig{
		TypeMeta: metav1.TypeMeta{APIVersion: "kubelet.config.k8s.io/v1", Kind: "CredentialProviderConfig"},
		Providers: []kubeletcredential.CredentialProvider{{
			Name:                 "slipway-credential",
			APIVersion:           "credentialprovider.kubelet.k8s.io/v1",
			MatchImages:          append([]string{Registry}, n.Mirrored...),
			DefaultCacheDuration: &metav1.Duration{Duration: 0},
			TokenAttributes: &kubeletcredential.ServiceAccountTokenAttributes{
				ServiceAccountTokenAudience: Registry,
				CacheType:                   kubeletcredential.TokenServiceAccountTokenCacheType,
				RequireServiceAccount:       ptr.To(true),
			},
		}},
	})
}
