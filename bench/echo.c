/* The floor of `bench.echo` by librabbitmq: answers what comes to a queue by what was asked, until it is ended. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <amqp.h>
#include <amqp_tcp_socket.h>

#define CHANNEL 1
#define PREFETCH 32
#define LARGEST 131072

static void must(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

static void answered(amqp_connection_state_t broker, const char *what)
{
    must(amqp_get_rpc_reply(broker).reply_type == AMQP_RESPONSE_NORMAL, what);
}

static void answer(amqp_connection_state_t broker, const amqp_envelope_t *asked)
{
    const amqp_basic_properties_t *of = &asked->message.properties;
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CORRELATION_ID_FLAG,
        .correlation_id = of->correlation_id,
    };
    must(amqp_basic_publish(broker, CHANNEL, amqp_empty_bytes, of->reply_to, 0, 0, &properties,
                            asked->message.body) == AMQP_STATUS_OK,
         "publishing");
    must(amqp_basic_ack(broker, CHANNEL, asked->delivery_tag, 0) == AMQP_STATUS_OK, "acknowledging");
}

/* Arguments: the broker's URL, the queue. Says on its output when it is ready. */
int main(int count, char **words)
{
    must(count == 3, "reading URL and queue");
    struct amqp_connection_info to;
    must(amqp_parse_url(words[1], &to) == AMQP_STATUS_OK, "reading the URL");
    amqp_bytes_t queue = amqp_cstring_bytes(words[2]);

    amqp_connection_state_t broker = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(broker);
    must(socket && amqp_socket_open(socket, to.host, to.port) == AMQP_STATUS_OK, "connecting");
    must(amqp_login(broker, to.vhost, 0, LARGEST, 0, AMQP_SASL_METHOD_PLAIN, to.user, to.password).reply_type ==
             AMQP_RESPONSE_NORMAL,
         "signing in");
    amqp_channel_open(broker, CHANNEL);
    answered(broker, "opening a channel");
    amqp_queue_declare(broker, CHANNEL, queue, 0, 0, 0, 0, amqp_empty_table);
    answered(broker, "declaring the queue");
    amqp_basic_qos(broker, CHANNEL, 0, PREFETCH, 0);
    answered(broker, "asking for a prefetch");
    amqp_basic_consume(broker, CHANNEL, queue, amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
    answered(broker, "consuming");
    puts("{\"ready\":true}");
    fflush(stdout);

    for (;;) {
        amqp_envelope_t asked;
        amqp_maybe_release_buffers(broker);
        must(amqp_consume_message(broker, &asked, NULL, 0).reply_type == AMQP_RESPONSE_NORMAL, "hearing");
        answer(broker, &asked);
        amqp_destroy_envelope(&asked);
    }
}
