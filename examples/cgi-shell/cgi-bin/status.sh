#!/bin/sh
# What this sandbox looks like from inside.
echo "Content-Type: text/plain"
echo
echo "I am $(id -u) on $(uname -s) $(uname -r)."
echo "You asked for $REQUEST_METHOD $REQUEST_URI from $REMOTE_ADDR."
echo "Processes that I see: $(ls -d /proc/[0-9]* | wc -l)"
[ "$REQUEST_METHOD" = POST ] && { echo "You sent:"; cat; }
exit 0
