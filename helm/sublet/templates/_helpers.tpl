{{/* What the objects are called: the release's name, with the chart's where that is another. */}}
{{- define "sublet.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Names of objects without a namespace: two releases of the same name must not meet. */}}
{{- define "sublet.clusterName" -}}
{{- if eq .Release.Namespace (include "sublet.fullname" .) -}}
{{- include "sublet.fullname" . -}}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace (include "sublet.fullname" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sublet.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 48 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels by which pods are found: they never change. Call with (list . "component"). */}}
{{- define "sublet.matchLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "sublet.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "sublet.labels" -}}
{{- $root := index . 0 -}}
{{ include "sublet.matchLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: sublet
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_") }}
{{- end -}}

{{- define "sublet.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{- define "sublet.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Fields of a pod that say where it may run. Call with the part's values. */}}
{{- define "sublet.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .nodeAffinity }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            {{- toYaml . | nindent 12 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* The path below which the hub's proxy shows the service. */}}
{{- define "sublet.prefix" -}}
{{- $base := .Values.jupyterhub.baseUrl | trimAll "/" -}}
{{- if $base }}/{{ $base }}{{ end }}/services/sublet/
{{- end -}}

{{- define "sublet.hubPrefix" -}}
{{- $base := .Values.jupyterhub.baseUrl | trimAll "/" -}}
{{- if $base }}/{{ $base }}{{ end }}/hub/
{{- end -}}

{{/* Where the service reaches the hub's API. */}}
{{- define "sublet.hubUrl" -}}
{{- printf "%sapi" (.Values.jupyterhub.hubUrl | default (printf "http://hub.%s:8081%s" .Release.Namespace (include "sublet.hubPrefix" .))) -}}
{{- end -}}

{{/* Whether agents have a port of their own, by https: they connect directly, and are to be private. */}}
{{- define "sublet.hasAgentsPort" -}}
{{- if and .Values.agent.enabled .Values.service.tls.enabled (not .Values.agent.serviceUrl) -}}true{{- end -}}
{{- end -}}

{{/* Where agents reach the service. */}}
{{- define "sublet.agentsAddress" -}}
{{- if .Values.agent.serviceUrl -}}
{{- if and (hasPrefix "http://" .Values.agent.serviceUrl) (not .Values.agent.settings.plain_http) -}}
{{- fail "agent.serviceUrl is http: agents would send their tokens in clear, and do not start. Use https, or set agent.settings.plain_http to true where the network between is to be trusted with them" -}}
{{- end -}}
{{ .Values.agent.serviceUrl }}
{{- else if include "sublet.hasAgentsPort" . -}}
https://{{ include "sublet.fullname" . }}.{{ .Release.Namespace }}:{{ .Values.service.tls.port }}{{ include "sublet.prefix" . }}
{{- else -}}
{{ include "sublet.serviceAddress" . }}{{ include "sublet.prefix" . }}
{{- end -}}
{{- end -}}

{{/* Where the service is reached directly, by the hub and the proxy. */}}
{{- define "sublet.serviceAddress" -}}
http://{{ include "sublet.fullname" . }}.{{ .Release.Namespace }}:{{ .Values.service.port }}
{{- end -}}

{{/* Where users' pods reach the service: network policies let them through to the proxy alone. */}}
{{- define "sublet.publicAddress" -}}
{{- $proxy := .Values.jupyterhub.proxyUrl | default (printf "http://proxy-public.%s" .Release.Namespace) -}}
{{ $proxy | trimSuffix "/" }}{{ include "sublet.prefix" . }}
{{- end -}}

{{- define "sublet.metricsSecret" -}}
{{- .Values.monitoring.metricsToken.existingSecret | default (printf "%s-metrics" (include "sublet.fullname" .)) -}}
{{- end -}}

{{/* Where everybody finds the sockets in their containers; on the node: agent.hostPaths.tenants. */}}
{{- define "sublet.agentSocket" -}}
/run/sublet/agent.sock
{{- end -}}

{{- define "sublet.simulatedSocket" -}}
/run/sublet/gpus.sock
{{- end -}}

{{/* The port of an address, which its scheme implies where it names none. */}}
{{- define "sublet.portOf" -}}
{{- $url := urlParse . -}}
{{- if contains ":" $url.host -}}
{{- splitList ":" $url.host | last -}}
{{- else -}}
{{- ternary "443" "80" (eq $url.scheme "https") -}}
{{- end -}}
{{- end -}}

{{/*
The pods of a component of JupyterHub, as peers of a network policy. zero-to-jupyterhub labels them in an
old way and in Kubernetes' recommended one, and says that the old one may go: either will do.
Call with (list . "component").
*/}}
{{- define "sublet.podsOfJupyterHub" -}}
{{- $old := (index . 0).Values.jupyterhub.podLabels -}}
{{- $recommended := dict -}}
{{- range $label, $value := $old -}}
{{- $known := dict "app" "app.kubernetes.io/name" "release" "app.kubernetes.io/instance" -}}
{{- $_ := set $recommended (get $known $label | default $label) $value -}}
{{- end -}}
- podSelector:
    matchLabels:
      {{- toYaml $old | nindent 6 }}
      component: {{ index . 1 }}
- podSelector:
    matchLabels:
      {{- toYaml $recommended | nindent 6 }}
      app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "sublet.dnsEgress" -}}
# Names are looked up at the cluster's DNS, wherever it runs.
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* The name of one of `priorityClasses`; nothing where it is neither made nor named. */}}
{{- define "sublet.priorityClass" -}}
{{- $root := index . 0 -}}
{{- $kind := index . 1 -}}
{{- $class := get $root.Values.priorityClasses $kind -}}
{{- if $class.name -}}
{{- $class.name -}}
{{- else if $class.create -}}
{{- printf "%s-%s" (include "sublet.clusterName" $root) ($kind | kebabcase | trimSuffix "s") -}}
{{- end -}}
{{- end -}}

{{- define "sublet.clusterQueue" -}}
{{- .Values.kueue.clusterQueue | default (printf "%s-lent" (include "sublet.clusterName" .)) -}}
{{- end -}}
