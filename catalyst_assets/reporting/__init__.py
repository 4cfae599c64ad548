"""What a person reads after the day: one session of one scenario, from stored rows alone.

``day.py`` gathers, ``console.py`` prints, ``picture.py`` draws. Nothing here decides or changes anything.
"""
