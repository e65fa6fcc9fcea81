"""RabbitMQ, MariaDB, PostgreSQL, Redis and NATS for the tests: real ones, each on a free port with its own folder.

`make services` fetches them once (`python -m tests.servers`); a test that asks for one fetches it otherwise. Tests that
use them carry the marker `process`. Fixtures, for every test:

    def test_something(rabbitmq, make_vhost, make_database, redis_server, redis_database, nats):
        rabbitmq.url(make_vhost())         # amqp://ringback:…@127.0.0.1:port/name
        make_database("mariadb").dsn       # ringback:…@tcp(127.0.0.1:port)/name
        make_database("postgresql").url    # postgresql://ringback:…@127.0.0.1:port/name
        redis_server.address, redis_server.password, redis_server.url(redis_database)
        nats.url, nats.USER, nats.password

`rabbitmq`, `mariadb`, `postgresql`, `redis_server` and `nats` live as long as the run, one of each for each worker: do
not kill them. What kills, stops or freezes a server has one of its own, in less than two seconds:

    from tests.servers.rabbitmq import RabbitMq    # mariadb.MariaDb, postgresql.PostgreSql, redis.Redis, nats.Nats

    with RabbitMq.private() as broker:
        broker.kill()                      # SIGKILL, with whatever it has started; returns when all are gone
        broker.start()                     # the same data, port and password; returns when it answers
        broker.shutdown()                  # SIGTERM; returns when it is gone
        broker.pause(); broker.resume()    # SIGSTOP: connections stay and nothing is answered

These calls block: from a coroutine that has other things to do, `await asyncio.to_thread(broker.start)`.

What a test may ask and tell them:

    rabbitmq.listed("queues", vhost)       # also exchanges, bindings, consumers, connections, channels: dicts
    rabbitmq.close_connections(vhost)      # as an operator does: 320 CONNECTION_FORCED
    rabbitmq.settle()                      # before a kill that declared queues shall survive
    rabbitmq.evaluate("1 + 1.")            # anything else, in Erlang
    database.execute("SELECT …", value)    # and server.execute(…, database=name), server.connect(name)
    redis_server.client(number)            # a client of redis-py

No kill loses what a server has acknowledged (a crash of the machine would), but for one thing that is RabbitMQ's own: a
virtual host or durable queue that was declared a moment before a SIGKILL may be gone after it; `settle()` waits for
that moment to pass. Nothing outlives the tests, however they end: each server has a keeper (`keeper.py`) that kills
it and removes its folder when its owner is gone.
"""
