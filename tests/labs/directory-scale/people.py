"""Writes the scale lab's directory as LDIF: people.py N. The same N gives the same bytes every time."""
import base64
import random
import sys
import time

BASE = "DC=muster,DC=test"
EPOCH, DAY = 133_500_000_000_000_000, 864_000_000_000  # a FILETIME in January 2024, and a day of FILETIME ticks
EPOCH_UNIX, DAY_UNIX = 1_705_526_400, 86_400  # the same instant and day in Unix seconds
NEVER = 9223372036854775807
DISABLED, NEVER_EXPIRES, LOCKED, PASSWORD_EXPIRED = 0x2, 0x10000, 0x10, 0x800000
DOMAIN_USERS = 513  # primaryGroupID of everyone
PLACES = [("Madrid", "Madrid", "Spain", "ES"), ("München", "Bayern", "Germany", "DE"), ("東京", "東京都", "Japan", "JP"),
          ("Austin", "Texas", "United States", "US"), ("São Paulo", "SP", "Brazil", "BR"), ("Łódź", "łódzkie", "Poland", "PL")]
GIVEN = ["María", "Jürgen", "Zoë", "太郎", "John", "Emily", "João", "Агата", "Siân", "Priya", "Wei", "Fatima", "Noah", "Ingrid"]
FAMILY = ["García", "Müller", "山田", "Smith", "O'Brien", "da Silva", "Иванова", "Åkesson", "Patel", "van der Berg", "Brown"]
TITLES = ["Engineer", "Analyst", "Manager", "Director", "Técnico", "課長", "Consultant", "VP, Sales"]
DEPARTMENTS = ["Finance", "IT", "Sales", "R&D", "Operations", "Legal"]
CONTROLS = (512, 512, 512, 512, 512, 512 | DISABLED, 512 | NEVER_EXPIRES, 512 | 0x400000)
GROUP_TYPES = (-2147483646, -2147483646, -2147483644, -2147483640, 2, 8)  # global, domain local, universal, distribution


def line(name, value):
    if isinstance(value, str):
        if value.isascii():
            return "%s: %s\n" % (name, value)
        value = value.encode()
    return "%s:: %s\n" % (name, base64.b64encode(value).decode())


def sid(*rids):
    subs = (1000000001, 2000000002, 3000000003) + rids
    return bytes([1, len(subs) + 1]) + bytes.fromhex("00000000000515000000") + b"".join(n.to_bytes(4, "little") for n in subs)


def when(seconds):
    return time.strftime("%Y%m%d%H%M%S.0Z", time.gmtime(seconds))


def entry(dn, *pairs):
    sys.stdout.write(line("dn", dn) + "".join(line(k, v) for k, v in pairs if v is not None) + "\n")


def stamps(rng, usn):
    """whenCreated from 2010 to January 2024, whenChanged at or after it, and the update sequence numbers that go with them."""
    created = EPOCH_UNIX - rng.randrange(5100 * DAY_UNIX)
    changed = created if rng.random() < .1 else EPOCH_UNIX + rng.randrange(700 * DAY_UNIX)
    return (("whenCreated", when(created)), ("whenChanged", when(changed)), ("uSNCreated", str(usn)), ("uSNChanged", str(usn)))


def account(rng):
    """The attributes that say what state an account is in; those that depend on each other agree."""
    control = rng.choice(CONTROLS)
    computed = 0
    password_set = 0 if rng.random() < .02 else EPOCH + rng.randrange(700 * DAY)
    if control & NEVER_EXPIRES:
        expiry = NEVER
    elif password_set == 0:
        expiry, computed = 0, PASSWORD_EXPIRED
    else:
        expiry = password_set + 365 * DAY
        computed = PASSWORD_EXPIRED if expiry < EPOCH + 600 * DAY else 0
    # The domain-wide stamp lags up to a fortnight; the server we ask may never have seen this account log on.
    seen = 0 if rng.random() < .1 else EPOCH + rng.randrange(700 * DAY)
    here = 0 if rng.random() < .2 else seen
    bad = rng.choice((0, 0, 0, 0, 0, 0, 0, 1, 2, 5))
    bad_time = EPOCH + rng.randrange(700 * DAY) if bad else 0
    locked = bad == 5 and rng.random() < .1
    if locked:
        computed |= LOCKED
    expires = rng.choice((NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, 0, EPOCH + rng.randrange(1500 * DAY)))
    return (("userAccountControl", str(control)), ("msDS-User-Account-Control-Computed", str(computed)),
            ("msDS-UserPasswordExpiryTimeComputed", str(expiry)), ("pwdLastSet", str(password_set)), ("accountExpires", str(expires)),
            ("lastLogon", str(here)), ("lastLogonTimestamp", str(seen - rng.randrange(14 * DAY)) if seen else None),
            ("logonCount", str(rng.randrange(1, 3000) if here else 0)), ("badPwdCount", str(bad)), ("badPasswordTime", str(bad_time)),
            ("lockoutTime", str(bad_time) if locked else "0" if bad else None), ("primaryGroupID", str(DOMAIN_USERS)))


def person(rng, n, given, family, department, place):
    """What people and their offices fill in; every fifth to hundredth leaves something out."""
    some = lambda odds, value: value if rng.random() >= odds else None
    return (("objectClass", "user"), ("objectCategory", "person"), ("cn", "%s %s %d" % (given, family, n)),
            ("name", "%s %s %d" % (given, family, n)), ("sn", family), ("givenName", some(.01, given)),
            ("displayName", some(.03, "%s %s" % (given, family))), ("description", "Lab user %d" % n if n % 3 == 0 else None),
            ("sAMAccountName", "u%07d" % n), ("userPrincipalName", some(.02, "u%07d@muster.test" % n)),
            ("mail", some(.05, "u%07d@mail.muster.test" % n)), ("mobile", some(.2, "+34 %09d" % rng.randrange(10**9))),
            ("telephoneNumber", some(.1, "+34 %07d" % rng.randrange(10**7))), ("title", some(.1, rng.choice(TITLES))),
            ("department", department), ("l", place[0]), ("st", some(.1, place[1])), ("co", some(.05, place[2])), ("c", place[3]),
            ("streetAddress", some(.1, "%d %s St." % (rng.randrange(1, 999), family))),
            ("postalCode", some(.1, "%05d" % rng.randrange(10**5))),
            ("objectGUID", rng.randbytes(16)), ("objectSid", sid(1100 + n)), ("adminCount", some(.997, "1")))


def containers(rng):
    def container(dn, usn, *pairs):
        entry(dn, ("objectClass", "musterLabContainer"), *pairs, ("objectGUID", rng.randbytes(16)), *stamps(rng, usn))

    container(BASE, 1000, ("objectClass", "domain"), ("dc", "muster"), ("name", "muster"), ("objectSid", sid()), ("objectCategory", "domainDNS"))
    entry("CN=svc-muster," + BASE, ("objectClass", "person"), ("cn", "svc-muster"), ("sn", "svc"), ("userPassword", "Muster-Svc-1"))
    for place, name in enumerate(["Groups"] + DEPARTMENTS, 1001):
        container("OU=%s,%s" % (name, BASE), place, ("objectClass", "organizationalUnit"), ("ou", name), ("name", name),
                  ("objectCategory", "organizationalUnit"))


def main():
    count = int(sys.argv[1])
    rng = random.Random(count)
    groups = max(count // 10, 10)
    members = [[] for _ in range(groups)]
    group_dn = ["CN=Group %06d,OU=Groups,%s" % (n, BASE) for n in range(groups)]
    managers = []
    containers(rng)
    for n in range(count):
        given, family, place, department = rng.choice(GIVEN), rng.choice(FAMILY), rng.choice(PLACES), rng.choice(DEPARTMENTS)
        dn = "CN=%s %s %d,OU=%s,%s" % (given, family, n, department, BASE)
        mine = {rng.randrange(groups) for _ in range(rng.choice((1, 2, 3, 5)))}
        for g in mine:
            members[g].append(dn)
        if n < 100:
            managers.append(dn)
        entry(dn, *person(rng, n, given, family, department, place), *account(rng), *stamps(rng, 10000 + n),
              ("manager", managers[n % 100] if n > 100 else None), *(("memberOf", group_dn[g]) for g in sorted(mine)))
    for n in range(groups):
        nested = 3 <= n < 40  # group n / 3 is a member of group n
        parents = [m for m in range(3 * n, min(3 * n + 3, 40, groups)) if m >= 3]
        name = "Group %06d" % n
        entry(group_dn[n], ("objectClass", "group"), ("objectCategory", "group"), ("cn", name), ("name", name),
              ("displayName", name + " " + DEPARTMENTS[n % 6] if n % 4 else None), ("sAMAccountName", "g%06d" % n),
              ("description", "Lab group %d" % n if n % 3 else None), ("mail", "g%06d@mail.muster.test" % n if n % 2 else None),
              ("groupType", str(rng.choice(GROUP_TYPES))), ("objectGUID", rng.randbytes(16)), ("objectSid", sid(1100 + count + n)),
              *stamps(rng, 10000 + count + n), *(("memberOf", group_dn[m]) for m in parents),
              *(("member", dn) for dn in members[n]), *((("member", group_dn[n // 3]),) if nested else ()))
    # Everyone is in it by primaryGroupID, so, as in Active Directory, it lists none of them in `member`.
    entry("CN=Domain Users,OU=Groups," + BASE, ("objectClass", "group"), ("objectCategory", "group"), ("cn", "Domain Users"),
          ("name", "Domain Users"), ("sAMAccountName", "Domain Users"), ("description", "All domain users"), ("groupType", "-2147483646"),
          ("objectGUID", rng.randbytes(16)), ("objectSid", sid(DOMAIN_USERS)), *stamps(rng, 10000 + count + groups))


main()
