"""Values of the chart, one set for each of its switches."""

from collections.abc import Mapping
from typing import Any, Final

Values = Mapping[str, Any]

OPTIONS: Final[Mapping[str, Values]] = {
    "defaults": {},
    "names": {"nameOverride": "gpus", "fullnameOverride": "our-gpus"},
    "own image": {
        "image": {
            "repository": "registry.example.org/sublet",
            "tag": "1.2.3",
            "pullPolicy": "Always",
            "pullSecrets": ["registry", "another"],
        }
    },
    "another hub": {
        "jupyterhub": {
            "baseUrl": "/jupyter/",
            "hubUrl": "http://their-hub:8081/jupyter/hub/",
            "proxyUrl": "http://proxy-http:8000",
            "tokenSecret": {"name": "sublet-token", "key": "token"},
            "podLabels": {"app": "jupyterhub", "release": "hub"},
        }
    },
    "quota": {
        "quota": {
            "gpu_types": {"H100": {"match": "*H100*", "rate": 4, "expect": 8}},
            "pools": [
                {"name": "interactive", "types": ["H100"], "idle_after": "20m"},
                {"name": "batch", "memory_overcommit": 1.5, "default": True},
            ],
            "sizes": [
                {"name": "whole", "memory": "1/1", "compute": 1, "types": ["H100"]},
                {"name": "half", "memory": "1/2", "compute": 0.5, "default": True},
            ],
            "groups": {
                "science": {
                    "guaranteed": {"H100": 6},
                    "limit": {"H100": 8, "memory": "160 GiB"},
                    "weight": 3,
                    "groups": {"nlp": {"members": ["hub-nlp"], "guaranteed": {"H100": 4}}},
                },
                "arts": {"each": {"limit": {"cards": 1}}},
            },
        }
    },
    "PostgreSQL": {
        "service": {
            "database": {
                "url": "postgresql+psycopg://sublet@db/sublet",
                "port": 5433,
                "passwordSecret": {"name": "database", "key": "password"},
            }
        }
    },
    "PostgreSQL without a password": {
        "service": {"database": {"url": "postgresql+psycopg://sublet@db/sublet"}}
    },
    "notices by mail and webhook": {
        "service": {
            "notices": {
                "ports": [587],
                "mailPasswordSecret": {"name": "mail", "key": "password"},
                "webhookSecret": {"name": "hook", "key": "secret"},
                "certificates": {"name": "authorities", "key": "ca.crt"},
            },
            "settings": {
                "notices_mail_server": "mail.example.org",
                "notices_mail_from": "sublet@example.org",
                "notices_mail_to": "{username}@example.org",
                "notices_mail_user": "sublet",
                "notices_webhook_url": "https://hooks.example.org/sublet",
            },
        }
    },
    "agents by http": {"service": {"tls": {"enabled": False}}},
    "own certificate": {"service": {"tls": {"port": 9443, "existingSecret": "certificate"}}},
    "no volume": {"service": {"persistence": {"enabled": False}}},
    "own claim": {"service": {"persistence": {"existingClaim": "state-of-sublet"}}},
    "other volume": {
        "service": {
            "persistence": {
                "size": "20Gi",
                "accessMode": "ReadWriteOncePod",
                "storageClassName": "fast",
            }
        }
    },
    "service's place": {
        "service": {
            "port": 9000,
            "settings": {
                "hub_check_s": 30,
                "log_level": "DEBUG",
                "job_attempts": 5,
                "proxies_before_hub": ["10.42.0.0/16", "fd00:42::/56"],
            },
            "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
            "podAnnotations": {"example.org/about": "sublet"},
            "nodeSelector": {"pool": "core"},
            "nodeAffinity": [{"key": "arch", "operator": "In", "values": ["amd64", "arm64"]}],
            "tolerations": [{"key": "core", "operator": "Exists"}],
            "priorityClassName": "core",
        }
    },
    "agents' place": {
        "agent": {
            "settings": {"margin_mib": 2048, "freeze": False},
            "serviceUrl": "https://hub.example.org/services/sublet/",
            "runtimeClassName": "nvidia",
            "hostPaths": {
                "tenants": "/var/run/sublet",
                "journal": "/srv/sublet-agent",
                "controlGroups": "/sys/fs/cgroup/unified",
                "devicePlugins": "/srv/kubelet/device-plugins",
            },
            "maxUnavailable": "25%",
            "terminationGracePeriodSeconds": 120,
            "resources": {"requests": {"cpu": "1", "memory": 1e9}, "limits": {"memory": "1Gi"}},
            "podAnnotations": {"example.org/about": "sublet"},
            "nodeSelector": {"nvidia.com/gpu.present": None, "gpu": "yes"},
            "nodeAffinity": [{"key": "broken", "operator": "DoesNotExist"}],
            "tolerations": [],
            "priorityClassName": "system-node-critical",
        }
    },
    "no agents": {"agent": {"enabled": False}},
    "simulated": {"simulatedGpus": {"enabled": True}},
    "simulated elsewhere": {
        "simulatedGpus": {
            "enabled": True,
            "gpus": 4,
            "memoryGib": 23.5,
            "type": "Simulated L4 24GB",
            "speed": 10,
            "resources": {"requests": {"cpu": "1m", "memory": "2Gi"}},
            "nodeSelector": {"try": "sublet"},
            "tolerations": [{"key": "try", "operator": "Equal", "value": "yes"}],
        }
    },
    "no lending": {"lending": {"devicePlugin": {"enabled": False}}},
    "lending by CDI": {"lending": {"devicePlugin": {"unitMib": 512, "cdiKind": "nvidia.com/gpu"}}},
    "claims": {"jupyterhub": {"serviceAccount": "their-hub", "resourceClaims": True}},
    "no jobs": {"jobs": {"enabled": False}},
    "jobs": {
        "service": {"settings": {"job_cpu": "4", "job_memory": "16Gi", "homes_are_shared": True}},
        "jobs": {
            "labels": {"team": "science"},
            "sharedSecrets": ["singleuser", "licences"],
            "sharedConfigMaps": ["greetings"],
            "volumeKinds": ["nfs", "csi"],
        },
        "networkPolicies": {
            "jobs": {"amongEachOther": True, "exceptAddresses": ["10.0.0.0/8"]},
        },
    },
    "no admission policy": {"jobs": {"admissionPolicy": False}},
    "Kueue": {
        "jobs": {"severalNodes": "jobset"},
        "kueue": {"enabled": True},
    },
    "Kueue in a cohort": {
        "jobs": {"severalNodes": "trainjob"},
        "kueue": {
            "enabled": True,
            "localQueue": "lent",
            "clusterQueue": "gpus-lent",
            "cohort": "gpus",
            "nodeLabels": {"nvidia.com/gpu.present": "true"},
            "cpu": "64",
            "memory": "1Ti",
            "priorities": [
                {"name": "normal", "from": 0, "value": 100},
                {"name": "high", "from": 10, "value": 1000},
            ],
        },
    },
    "own queues in Kueue": {
        "kueue": {
            "enabled": True,
            "create": False,
            "localQueue": "their-lent",
            "clusterQueue": "their-gpus",
            "priorities": [{"name": "normal", "from": 0, "value": 100}],
        },
    },
    "other priorities": {
        "priorityClasses": {
            "notebooks": {"create": False, "name": "theirs", "value": 0},
            "jobs": {"name": "our-jobs", "value": -20},
            "jobSets": {"create": False, "name": "our-job-sets", "value": 3},
            "agents": {"create": False},
        }
    },
    "no network policies": {"networkPolicies": {"enabled": False}},
    "network policies": {
        "networkPolicies": {
            "apiServerPorts": [16443],
            "metricsFrom": [
                {
                    "namespaceSelector": {
                        "matchLabels": {"kubernetes.io/metadata.name": "monitoring"}
                    },
                    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
                }
            ],
        }
    },
    "monitoring": {
        "monitoring": {
            "serviceMonitor": {"enabled": True, "interval": "1m", "labels": {"release": "prom"}},
            "alerts": {
                "enabled": True,
                "labels": {"release": "prom"},
                "runbook": "https://git.example.org/sublet/monitoring.md",
            },
            "dashboard": {
                "enabled": True,
                "namespace": "monitoring",
                "annotations": {"grafana_folder": "GPUs"},
            },
        }
    },
    "own metrics token": {
        "monitoring": {
            "metricsToken": {"existingSecret": "metrics", "key": "prometheus"},
            "serviceMonitor": {"enabled": True},
        }
    },
    "small check": {"check": {"throughProxy": False, "agents": False}},
}
