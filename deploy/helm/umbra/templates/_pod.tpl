{{/* What all pods have in common: (dict "root" $ "component" … "target" …) */}}
{{- define "umbra.pod" -}}
serviceAccountName: {{ include "umbra.name" .root }}
automountServiceAccountToken: false
# Variables of services would be taken for settings: UMBRA_… is also a flag's.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.pod.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.pod.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.pod.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.pod.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - labelSelector:
      matchLabels: {{- include "umbra.selector" $ | nindent 8 }}
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "umbra.pod.metadata" -}}
labels:
  {{- include "umbra.labels" . | nindent 2 }}
  {{- with .root.Values.pod.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  # The program reads its store's settings once.
  checksum/store: {{ include "umbra.store.text" .root | sha256sum }}
  {{- with .profile }}
  checksum/profile: {{ . | sha256sum }}
  {{- end }}
  {{- with .root.Values.pod.annotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "umbra.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
# Said of the pod, too; a sidecar's pod is another chart's.
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: { type: RuntimeDefault }
capabilities: { drop: [ALL] }
{{- end -}}
