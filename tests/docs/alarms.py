"""The alarms of template.yaml and those that docs/operations.md explains are the same."""

import re

import markdown

ALARM = re.compile(r"^  (\w+):\n    Type: AWS::CloudWatch::Alarm$", re.MULTILINE)
TABLE = re.compile(r"<!-- alarms of template\.yaml.*?-->(.*)<!-- end of alarms -->", re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def problems() -> list[str]:
    page = "docs/operations.md"
    defined = ALARM.findall((markdown.ROOT / "template.yaml").read_text())
    table = TABLE.search((markdown.ROOT / page).read_text())
    explained = ROW.findall(table[1]) if table else []
    found = [f"{page}: the alarm {name} of template.yaml is not explained" for name in defined if name not in explained]
    found += [f"{page}: template.yaml has no alarm {name}" for name in explained if name not in defined]
    if not found and defined != explained:
        found.append(f"{page}: the alarms are not in the order of template.yaml")
    return found
