{{/* What may be said of how requests are sent, as flags: a target's values or the replay's. */}}
{{- define "umbra.sending.args" -}}
{{- range $key, $flag := dict "host" "host" "protocol" "protocol" "sample" "sample" "maxInFlight" "max-in-flight" "connections" "connections" "order" "order" }}
{{- $value := get $.values $key }}
{{- if $value }}
- {{ printf "--%s=%s" $flag (kindIs "float64" $value | ternary (int64 $value | toString) ($value | toString)) | quote }}
{{- end }}
{{- end }}
- --timeout={{ int .values.timeoutSeconds }}s
{{- range .values.where }}
- {{ printf "--where=%s" . | quote }}
{{- end }}
{{- range .values.tokens }}
- {{ printf "--token=%s=file:/etc/umbra/tokens/%s" .header (lower .header) | quote }}
{{- end }}
{{- if .values.profile }}
- --profile=/etc/umbra/profile/profile.toml
{{- end }}
{{- range .values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Probes and what else a replayer's container has, but for its name and arguments: (dict "root" $ "values" …) */}}
{{- define "umbra.replayer.container" -}}
image: {{ include "umbra.image" (dict "root" .root "program" "replayer") }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
ports:
  - { name: admin, containerPort: 9902 }
# Ready when the store is open.
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 5
livenessProbe:
  httpGet: { path: /livez, port: admin }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
securityContext: {{- include "umbra.container.security" .root | nindent 2 }}
resources: {{- toYaml .values.resources | nindent 2 }}
volumeMounts:
  {{- include "umbra.store.mounts" .root | nindent 2 }}
  {{- if .values.profile }}
  - { name: profile, mountPath: /etc/umbra/profile, readOnly: true }
  {{- end }}
  {{- if .values.tokens }}
  - { name: tokens, mountPath: /etc/umbra/tokens, readOnly: true }
  {{- end }}
  {{- if (.values.caSecret).name }}
  - { name: target-ca, mountPath: /etc/umbra/target-ca, readOnly: true }
  {{- end }}
  {{- if (.values.clientCertSecret).name }}
  - { name: target-cert, mountPath: /etc/umbra/target-cert, readOnly: true }
  {{- end }}
{{- end -}}

{{/* (dict "root" $ "values" … "profile" NAME-OF-CONFIGMAP) */}}
{{- define "umbra.replayer.volumes" -}}
{{ include "umbra.store.volumes" .root }}
{{- if .values.profile }}
- name: profile
  configMap: { name: {{ .profile }} }
{{- end }}
{{- if .values.tokens }}
- name: tokens
  projected:
    defaultMode: 288
    sources:
      {{- range .values.tokens }}
      - secret:
          name: {{ .secretName }}
          items: [{ key: {{ .key | quote }}, path: {{ lower .header }} }]
      {{- end }}
{{- end }}
{{- with .values.caSecret }}
{{- if .name }}
{{ include "umbra.secret.volume" (dict "volume" "target-ca" "secret" .name "items" (dict (.key | default "ca.crt") "ca.crt")) }}
{{- end }}
{{- end }}
{{- with .values.clientCertSecret }}
{{- if .name }}
{{ include "umbra.secret.volume" (dict "volume" "target-cert" "secret" .name "items" (dict "tls.crt" "tls.crt" "tls.key" "tls.key")) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "umbra.target.tls.args" -}}
{{- if (.caSecret).name }}
- --target-ca=/etc/umbra/target-ca/ca.crt
{{- end }}
{{- if (.clientCertSecret).name }}
- --target-cert=/etc/umbra/target-cert/tls.crt
- --target-key=/etc/umbra/target-cert/tls.key
{{- end }}
{{- end -}}

{{/* What is in flight is finished first; then positions are committed and the group is left. */}}
{{- define "umbra.replayer.grace" -}}
{{ add (int .timeoutSeconds) 20 }}
{{- end -}}
