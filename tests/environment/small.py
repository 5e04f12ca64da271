"""A small environment that loads."""

SMALL = """\
name: small
description: A small environment
owners: {decision: a, database: b, traffic: c, application: d}
database:
  name: shop
  blue: env:BLUE
  green: env:GREEN
hostnames:
  shop:
    host: shop.example.com
    carrier:
      kind: alb
      load_balancer: shop
      blue: shop-blue
      green: shop-green
  api:
    host: api.example.com
    carrier:
      kind: route53
      zone: example.com
      blue: blue
      green: green
      ttl: {normal: 300, cutover: 60}
"""
