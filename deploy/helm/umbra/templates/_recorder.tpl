{{/* The recorder's container, without its name. */}}
{{- define "umbra.recorder.container" -}}
{{- $recorder := .Values.recorder -}}
image: {{ include "umbra.image" (dict "root" . "program" "recorder") }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - --config=/etc/umbra/store/store.toml
  - --listen=0.0.0.0:8080
  - --admin=0.0.0.0:9901
  - --admin-token=file:/etc/umbra/admin/token
  {{- if eq $recorder.mode "sink" }}
  - --sink
  {{- else }}
  - {{ printf "--upstream=%s" (required "recorder.upstream: the service that requests go on to is needed, as in http://httpbin.shop.svc:8000" $recorder.upstream) | quote }}
  {{- end }}
  - {{ printf "--sample=%s" $recorder.sample | quote }}
  - {{ printf "--sample-by=%s" $recorder.sampleBy | quote }}
  - --responses={{ $recorder.responses }}
  - --body-limit={{ $recorder.bodyLimit }}
  - --memory-limit={{ $recorder.memoryLimit }}
  - --workers={{ int $recorder.workers }}
  - --drain-timeout={{ int $recorder.drainSeconds }}s
  - --log-format=json
  {{- range $recorder.redactHeaders }}
  - {{ printf "--redact-header=%s" . | quote }}
  {{- end }}
  {{- range $recorder.keepHeaders }}
  - {{ printf "--keep-header=%s" . | quote }}
  {{- end }}
  {{- range $recorder.trustForwardedFor }}
  - {{ printf "--trust-forwarded-for=%s" . | quote }}
  {{- end }}
  {{- if $recorder.redactKeySecret.name }}
  - --redact-key=file:/etc/umbra/redact-key/key
  {{- end }}
  {{- if $recorder.rules }}
  - --rules=/etc/umbra/rules/rules.toml
  {{- end }}
  {{- if $recorder.spool.enabled }}
  - --spool=/var/lib/umbra/spool
  - --spool-limit={{ $recorder.spool.limit }}
  {{- end }}
  {{- if $recorder.tls.secretName }}
  - --tls-cert=/etc/umbra/tls/tls.crt
  - --tls-key=/etc/umbra/tls/tls.key
  {{- end }}
  {{- range $recorder.extraArgs }}
  - {{ . | quote }}
  {{- end }}
ports:
  - { name: http, containerPort: 8080 }
  - { name: admin, containerPort: 9901 }
# A dead store makes no recorder unready: traffic goes on. One late answer is no reason to take a pod out of the live path.
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
livenessProbe:
  httpGet: { path: /livez, port: admin }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
lifecycle:
  preStop:
    sleep: { seconds: {{ int $recorder.preStopSeconds }} }
securityContext: {{- include "umbra.container.security" . | nindent 2 }}
resources: {{- toYaml $recorder.resources | nindent 2 }}
volumeMounts:
  {{- include "umbra.store.mounts" . | nindent 2 }}
  {{- if $recorder.redactKeySecret.name }}
  - { name: redact-key, mountPath: /etc/umbra/redact-key, readOnly: true }
  {{- end }}
  {{- if $recorder.rules }}
  - { name: rules, mountPath: /etc/umbra/rules, readOnly: true }
  {{- end }}
  {{- if $recorder.spool.enabled }}
  - { name: spool, mountPath: /var/lib/umbra }
  {{- end }}
  {{- if $recorder.tls.secretName }}
  - { name: tls, mountPath: /etc/umbra/tls, readOnly: true }
  {{- end }}
  {{- with $recorder.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "umbra.recorder.volumes" -}}
{{- $recorder := .Values.recorder -}}
{{ include "umbra.store.volumes" . }}
{{- with $recorder.redactKeySecret }}
{{- if .name }}
{{ include "umbra.secret.volume" (dict "volume" "redact-key" "secret" .name "items" (dict .key "key")) }}
{{- end }}
{{- end }}
{{- if $recorder.rules }}
- name: rules
  configMap: { name: {{ include "umbra.name" . }}-rules }
{{- end }}
{{- if $recorder.spool.enabled }}
- name: spool
  emptyDir: { sizeLimit: {{ $recorder.spool.size }} }
{{- end }}
{{- if $recorder.tls.secretName }}
- name: tls
  secret: { secretName: {{ $recorder.tls.secretName }}, defaultMode: 288 }
{{- end }}
{{- with $recorder.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The endpoints' time to forget the pod, the drain, and the store's last word. */}}
{{- define "umbra.recorder.grace" -}}
{{ add (int .Values.recorder.preStopSeconds) (int .Values.recorder.drainSeconds) 10 }}
{{- end -}}

{{/* For the init containers of a Deployment of one's own: starts before the service and ends after it. In a chart that
     has this one as a dependency: include "umbra.sidecar.container" .Subcharts.umbra */}}
{{- define "umbra.sidecar.container" -}}
- name: umbra-recorder
  restartPolicy: Always
  {{- include "umbra.recorder.container" . | nindent 2 }}
{{- end -}}

{{/* For the pod's labels: what the PodMonitor finds it by. */}}
{{- define "umbra.sidecar.labels" -}}
umbra-recorder: {{ include "umbra.name" . }}
{{- end -}}

{{- define "umbra.sidecar.volumes" -}}
{{ include "umbra.recorder.volumes" . }}
{{- end -}}
