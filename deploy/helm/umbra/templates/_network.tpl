{{/* Who a host is to a network policy, where its name says so: HOST.NAMESPACE.svc…; empty where it does not. */}}
{{- define "umbra.network.peer" -}}
{{- $host := regexReplaceAll ":[0-9]+$" . "" -}}
{{- if regexMatch "^([^.]+\\.)+svc(\\..*)?$" $host -}}
{{- $parts := splitList "." (regexReplaceAll "\\.svc(\\..*)?$" $host "") -}}
namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: {{ last $parts }} } }
{{- end -}}
{{- end -}}

{{/* Egress to DNS and Kafka, and what else every replayer may reach. */}}
{{- define "umbra.network.common" -}}
{{- with .Values.networkPolicy.dns }}
- to: {{- toYaml . | nindent 4 }}
  ports: [{ protocol: UDP, port: 53 }, { protocol: TCP, port: 53 }]
{{- end }}
{{- if .Values.networkPolicy.kafka }}
- to: {{- toYaml .Values.networkPolicy.kafka | nindent 4 }}
  ports: {{- include "umbra.network.kafka.ports" . | nindent 4 }}
{{- else }}
{{- $peers := list }}
{{- range .Values.kafka.brokers }}
{{- $peers = append $peers (required (printf "networkPolicy.kafka: where '%s' is, its name does not say: give peers of a NetworkPolicy, as in [{ipBlock: {cidr: 10.0.0.0/24}}]" .) (include "umbra.network.peer" .)) }}
{{- end }}
- to:
    {{- range uniq $peers }}
    - {{ . }}
    {{- end }}
  ports: {{- include "umbra.network.kafka.ports" . | nindent 4 }}
{{- end }}
{{- with .Values.networkPolicy.egress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "umbra.network.kafka.ports" -}}
{{- $ports := list }}
{{- range .Values.kafka.brokers }}
{{- $ports = append $ports (splitList ":" . | last) }}
{{- end }}
{{- range uniq $ports }}
- { protocol: TCP, port: {{ . }} }
{{- end }}
{{- end -}}

{{/* Egress to one target: (dict "target" …) */}}
{{- define "umbra.network.target" -}}
{{- if .egress -}}
{{ toYaml .egress }}
{{- else -}}
{{- $peer := include "umbra.network.peer" (urlParse .url).host -}}
- to:
    - {{ required (printf "targets: where '%s' of target '%s' is, its name does not say: give its egress, as in [{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}], or networkPolicy.enabled=false" .url .name) $peer }}
{{- end -}}
{{- end -}}

{{/* Only who monitors reaches an admin listener. Kubelets may always. */}}
{{- define "umbra.network.monitoring" -}}
{{- with .root.Values.networkPolicy.monitoring }}
- from: {{- toYaml . | nindent 4 }}
  ports: [{ protocol: TCP, port: {{ $.port }} }]
{{- end }}
{{- end -}}
