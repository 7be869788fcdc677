package alerts

// defaultConfig shows alerts and sends them nowhere. What is critical inhibits the
// warnings of the same thing, and a node that is away those of what runs on it.
const defaultConfig = `
route:
  receiver: console
  group_by: [namespace, application, alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 12h
receivers:
- name: console
inhibit_rules:
- source_matchers: [severity="critical"]
  target_matchers: [severity="warning"]
  equal: [namespace, application, alertname]
- source_matchers: [alertname="NodeNotReady"]
  target_matchers: [alertname=~"Target.*|Pod.*|Deployment.*"]
  equal: [node]
`
