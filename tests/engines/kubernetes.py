#!/usr/bin/env python3
"""tests/engines/kubernetes.py TROUPE   what the manifest in tools/deploy/kubernetes says makes places of all Pods.
No cluster is used: the variables are those that Kubernetes documents for Pods of an Indexed Job."""
import os
import re
import subprocess
import sys

MANIFEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/deploy/kubernetes/job.yaml")


def main(troupe):
    with open(MANIFEST, encoding="utf-8") as file:
        text = file.read()
    try:
        import yaml
    except ImportError:
        print("the manifest's form is not checked: no python3-yaml")
    else:
        service, job = yaml.safe_load_all(text)
        pod = job["spec"]["template"]["spec"]
        assert service["metadata"]["name"] == pod["subdomain"], "the Pods have no names in the Service"
        assert service["spec"]["selector"]["job-name"] == job["metadata"]["name"], "the Service selects other Pods"
        assert job["spec"]["completionMode"] == "Indexed" and job["spec"]["completions"] == job["spec"]["parallelism"]
        assert {m["name"] for m in pod["containers"][0]["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
    said = dict(re.findall(r'- name: (TROUPE_\w+)\s+value: "(.*?)"', text))
    for index in range(int(said["TROUPE_WORLD"])):
        variables = dict(said, PATH=os.environ["PATH"], JOB_COMPLETION_INDEX=str(index), HOSTNAME=f"fashion-{index}")
        shown = subprocess.run([troupe, "doctor"], env=variables, stdout=subprocess.PIPE, text=True, check=True).stdout
        place = f"node {index} of 4, met at tcp://fashion-0.fashion:5555, job kubernetes-fashion: "
        if place not in shown:
            sys.exit(f"no '{place}' in:\n{shown}")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
