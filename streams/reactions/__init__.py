"""The reactions: low-rate, keyed, asynchronous work around the join, as a Faust app.

Start at `app.create_app`; `worker.run` runs it in the foreground.
"""
