"""What PyPI's anypoint-sdk lists of a platform: sdk.py BASE CLIENT_ID CLIENT_SECRET."""

import json
import sys

from anypoint_sdk import AnypointClient

base, client, secret = sys.argv[1:]
with AnypointClient.from_client_credentials(client, secret, base_url=base) as sdk:
    groups = sdk.organizations.list_accessible()
    environments = sdk.environments.list_by_orgs(groups, skip_unauthorised=False)
    places = [
        # Pages of three: it has to turn them.
        {**place, "organizationId": group, "apis": sdk.apis.list_instances(group, place["id"], page_size=3)}
        for group, places in environments.items()
        for place in places
    ]
json.dump({"groups": groups, "places": places}, sys.stdout)
