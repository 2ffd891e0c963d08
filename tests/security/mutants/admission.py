"""Mutants of what the API server refuses a job of a misled service: rule 20."""

from typing import Final

from tests.security.mutant import Mutant

_ADMISSION: Final = "helm/sublet/templates/jobs/admission.yaml"
_RECORDS: Final = "helm/sublet/templates/jobs/owner-records.yaml"
_CHANGES: Final = "helm/sublet/templates/jobs/changes.yaml"
_SEVERAL: Final = "helm/sublet/templates/jobs/several-nodes.yaml"
_POLICY_TESTS: Final = "tests/kube/pretended/test_admission_policy.py"
_LABEL_TESTS: Final = "tests/kube/pretended/test_policies_of_jobs.py"
_HOSTILE: Final = f"{_POLICY_TESTS}::test_a_hostile_job_of_the_service_is_refused"

MUTANTS: Final = (
    Mutant(
        20,
        "a job mounts volumes of others",
        _RECORDS,
        "variables.mounting.size() > 0",
        "variables.mounting.size() >= 0",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "claims are known by their kind alone",
        _RECORDS,
        "(k in dyn(v)[kind] && dyn(v)[kind][k] == known.source[kind][k])",
        "k in dyn(v)[kind]",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job mounts any folder of a shared volume",
        _RECORDS,
        "mount.subPath == (has(m.subPath) ? m.subPath : '') &&\n              ",
        "",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job writes what its owner's server only reads",
        _RECORDS,
        "(!mount.readOnly || (has(m.readOnly) && m.readOnly) ||",
        "(true ||",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job runs in any image and with any rights",
        _RECORDS,
        "variables.alike.size() > 0",
        "variables.alike.size() >= 0",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job chooses its node",
        _ADMISSION,
        "        !has(variables.pod.nodeName) &&\n",
        "",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job's pod has its node's network",
        _ADMISSION,
        "        !(has(variables.pod.hostNetwork) && variables.pod.hostNetwork) &&\n",
        "",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job's pod has any field",
        _ADMISSION,
        "          'terminationGracePeriodSeconds', 'tolerations', 'volumes'])",
        "          'terminationGracePeriodSeconds', 'tolerations', 'volumes'] || true)",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job's container has any field",
        _ADMISSION,
        "'volumeMounts', 'workingDir']))",
        "'volumeMounts', 'workingDir'] || true))",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job's container runs unconfined",
        _ADMISSION,
        "(!has(c.securityContext.seccompProfile) ||",
        "(true ||",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job has a token of a service account",
        _ADMISSION,
        "!(has(variables.pod.automountServiceAccountToken) &&",
        "!(false &&",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job goes before everybody",
        _ADMISSION,
        "!has(variables.pod.priorityClassName) || variables.pod.priorityClassName in",
        "true || variables.pod.priorityClassName in",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job reads any Secret as files",
        _ADMISSION,
        "(!has(v.secret) || v.secret.secretName in {{ $secrets }}) &&\n          ",
        "",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job reads any ConfigMap as files",
        _ADMISSION,
        "(!has(v.configMap) || v.configMap.name in {{ $configMaps }}) &&\n          ",
        "",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job reads Secrets as variables",
        _ADMISSION,
        "dyn(e.valueFrom).all(k, k in ['fieldRef', 'resourceFieldRef'])",
        "true",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job asks for cards",
        _ADMISSION,
        "              k in ['cpu', 'memory', 'ephemeral-storage', 'sublet.dev/lent']",
        "              k in ['cpu', 'memory', 'ephemeral-storage', 'sublet.dev/lent'] || true",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job has volumes of any kind",
        _ADMISSION,
        "variables.volumes.all(v, dyn(v).all(k, k in {{ $kinds",
        "variables.volumes.all(v, dyn(v).all(k, true || k in {{ $kinds",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job writes into the folder of the tenants' sockets",
        _ADMISSION,
        "          variables.mounts.all(m, m.name != v.name || (has(m.readOnly) && m.readOnly))))",
        "          true))",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "a job has labels of others",
        _ADMISSION,
        "variables.labels.all(k, k in {{ $labels",
        "variables.labels.all(k, true || k in {{ $labels",
        (_HOSTILE,),
    ),
    Mutant(
        20,
        "an owner of whom nothing is recorded has jobs",
        _RECORDS,
        "variables.servers.size() > 0",
        "variables.servers.size() >= 0",
        (f"{_POLICY_TESTS}::test_a_job_whose_owner_is_not_recorded_is_told_to_start_a_server",),
    ),
    Mutant(
        20,
        "where nothing is recorded of anybody all jobs are taken",
        _RECORDS,
        "parameterNotFoundAction: Deny",
        "parameterNotFoundAction: Allow",
        (
            "tests/helm/test_rights.py::test_each_part_of_the_owners_is_measured_by_the_object_in_which_it_is_recorded",
        ),
    ),
    Mutant(
        20,
        "policies that need what is recorded are about all Jobs",
        _RECORDS,
        "    objectSelector:\n      matchExpressions:\n"
        "        - {key: sublet.dev/job-id, operator: Exists}\n",
        "",
        (
            "tests/helm/test_rights.py::test_each_part_of_the_owners_is_measured_by_the_object_in_which_it_is_recorded",
        ),
    ),
    Mutant(
        20,
        "a job has not the label by which what is recorded is asked for",
        _ADMISSION,
        " &&\n        object.metadata.?labels[?'sublet.dev/job-id'].orValue('') =="
        " variables.labels['sublet.dev/job-id']",
        "",
        (
            f"{_LABEL_TESTS}::test_what_says_in_its_pods_that_it_is_a_job_of_ours_has_the_label_of_those_with_records",
        ),
    ),
    Mutant(
        20,
        "a job does not name the object where its owner is recorded",
        _ADMISSION,
        "        object.metadata.?labels[?'sublet.dev/owner-shard'].orValue('') ==\n"
        "          variables.labels['sublet.dev/owner-hash'].substring(0, 1) &&\n",
        "",
        (
            f"{_LABEL_TESTS}::test_what_says_in_its_pods_that_it_is_a_job_of_ours_has_the_label_of_those_with_records",
        ),
    ),
    Mutant(
        20,
        "a job is of an owner who can be recorded nowhere",
        _ADMISSION,
        "variables.labels['sublet.dev/owner-hash'].matches('^[0-9a-f]{32}$')",
        "variables.labels['sublet.dev/owner-hash'] != ''",
        (f"{_LABEL_TESTS}::test_an_owner_who_can_be_recorded_nowhere_has_no_jobs",),
    ),
    Mutant(
        20,
        "a job loses its label",
        _CHANGES,
        "        object.metadata.?labels[?'sublet.dev/job-id'] =="
        " oldObject.metadata.?labels[?'sublet.dev/job-id'] &&\n",
        "",
        (f"{_LABEL_TESTS}::test_nobody_takes_from_a_job_what_it_is_known_by",),
    ),
    Mutant(
        20,
        "a job is another owner's",
        _CHANGES,
        "(k in now[1] && now[0][k] == now[1][k])",
        "k in now[1]",
        (f"{_LABEL_TESTS}::test_nobody_takes_from_a_job_what_it_is_known_by",),
    ),
    Mutant(
        20,
        "a job gets labels of others",
        _CHANGES,
        "variables.labels.all(k, k in variables.oldLabels ||",
        "variables.labels.all(k, true ||",
        (f"{_LABEL_TESTS}::test_nobody_takes_from_a_job_what_it_is_known_by",),
    ),
    Mutant(
        20,
        "a patch of a TrainJob takes its Jobs' labels away",
        _SEVERAL,
        "            j.?template.?metadata.?labels.orValue({}).all(k, !k.startsWith('$')) &&\n",
        "",
        (f"{_LABEL_TESTS}::test_no_further_patch_of_a_train_job_takes_its_labels_away",),
    ),
    Mutant(
        20,
        "a TrainJob names no job in its pods",
        _SEVERAL,
        "            'sublet.dev/job-id' in j.template.spec.template.metadata.labels))\n",
        "            true))\n",
        (f"{_LABEL_TESTS}::test_what_runs_on_several_nodes_names_its_job_in_its_pods",),
    ),
)
